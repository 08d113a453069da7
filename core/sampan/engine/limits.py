"""Say in the words of the runtime specification what a container may use of the machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from typing import Final

from sampan.errors import InvalidInput, NotFound
from sampan.kernel import cgroups
from sampan.kernel.cgroups.group import Group
from sampan.model import runtime_spec as oci
from sampan.model.container import Container, DeviceLimit, Limits

CGROUP_PARENT: Final = "/sampan"
"""The control group that containers' own are in unless asked otherwise."""

_PERIOD = 100_000


def cgroup_path(parent: str, container: str) -> str:
    """Return the path of a container's control group, which a parent that climbs does not lead out of the root."""
    return os.path.normpath(f"/{parent or CGROUP_PARENT}/{container}").replace("//", "/")


def group(container: Container) -> Group:
    """Return a container's control group, whether it exists or not. Raises Unsupported where there are none."""
    return cgroups.open_group(cgroup_path(container.spec.cgroup_parent, container.id))


def resources(limits: Limits, rules: Sequence[oci.DeviceRule] = ()) -> oci.Resources:
    """Return what a container's cgroup allows. Raises NotFound, InvalidInput for what is no block device."""
    return oci.Resources(
        devices=list(rules), memory=_memory(limits), cpu=_cpu(limits), block_io=_block_io(limits),
        pids=oci.Pids(limit=limits.pids) if limits.pids else None,
    )


def _memory(limits: Limits) -> oci.Memory | None:
    memory = oci.Memory(
        limit=limits.memory or None, swap=limits.memory_and_swap or None,
        reservation=limits.memory_reservation or None, swappiness=limits.swappiness,
        disable_oom_killer=limits.oom_kill_disable or None,
    )
    return memory if memory != oci.Memory() else None


def _cpu(limits: Limits) -> oci.CPU | None:
    quota, period = limits.cpu_quota, limits.cpu_period
    if limits.nano_cpus:
        quota, period = limits.nano_cpus * _PERIOD // 1_000_000_000, _PERIOD
    cpu = oci.CPU(
        shares=limits.cpu_shares or None, quota=quota or None, period=period or None,
        realtime_period=limits.cpu_rt_period or None, realtime_runtime=limits.cpu_rt_runtime or None,
        cpus=limits.cpuset_cpus, mems=limits.cpuset_mems,
    )
    return cpu if cpu != oci.CPU() else None


def _block_io(limits: Limits) -> oci.BlockIO | None:
    block_io = oci.BlockIO(
        weight=limits.blkio_weight or None,
        weight_device=[
            oci.WeightDevice(major=major, minor=minor, weight=weight)
            for major, minor, weight in _numbered(limits.blkio_weight_devices)
        ],
        throttle_read_bps_device=_throttled(limits.read_bps),
        throttle_write_bps_device=_throttled(limits.write_bps),
        throttle_read_iops_device=_throttled(limits.read_iops),
        throttle_write_iops_device=_throttled(limits.write_iops),
    )
    return block_io if block_io != oci.BlockIO() else None


def _throttled(devices: Iterable[DeviceLimit]) -> list[oci.ThrottleDevice]:
    return [oci.ThrottleDevice(major=major, minor=minor, rate=rate) for major, minor, rate in _numbered(devices)]


def _numbered(devices: Iterable[DeviceLimit]) -> list[tuple[int, int, int]]:
    found = []
    for device in devices:
        try:
            info = os.stat(device.path)
        except OSError as error:
            raise NotFound(f"stat {device.path}: {(error.strerror or '').lower()}") from error
        if not stat.S_ISBLK(info.st_mode):
            raise InvalidInput(f"{device.path} is not a block device")
        found.append((os.major(info.st_rdev), os.minor(info.st_rdev), device.amount))
    return found
