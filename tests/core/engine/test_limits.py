"""Tests of what limits become in a bundle."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sampan.engine import limits
from sampan.errors import InvalidInput, NotFound
from sampan.model import runtime_spec as oci
from sampan.model.container import DeviceLimit, Limits


def _block_device() -> tuple[str, int, int]:
    """Return some block device of the machine, as the kernel numbers it."""
    for path in Path("/dev").iterdir():
        info = path.lstat()
        if stat.S_ISBLK(info.st_mode):
            return str(path), os.major(info.st_rdev), os.minor(info.st_rdev)
    raise AssertionError("there is no block device in /dev")


@pytest.mark.parametrize(("parent", "path"), [
    ("", "/sampan/c1"), ("/a", "/a/c1"), ("a/b", "/a/b/c1"), ("/", "/c1"), ("../../a", "/a/c1"), ("//a//b/", "/a/b/c1"),
])
def test_cgroup_path(parent: str, path: str) -> None:
    assert limits.cgroup_path(parent, "c1") == path


def test_no_limits() -> None:
    assert limits.resources(Limits()) == oci.Resources()


def test_memory() -> None:
    memory = limits.resources(Limits(memory=1000, swappiness=0, oom_kill_disable=True, kernel_memory=5)).memory
    assert memory == oci.Memory(limit=1000, swap=2000, swappiness=0, disable_oom_killer=True)
    assert limits.resources(Limits(memory=1000, memory_swap=-1)).memory == oci.Memory(limit=1000, swap=-1)
    assert limits.resources(Limits(kernel_memory=5)).memory is None


def test_processors() -> None:
    found = limits.resources(Limits(cpu_rt_period=10, cpu_rt_runtime=5, cpuset_cpus="0", pids=-1))
    assert found.cpu == oci.CPU(realtime_period=10, realtime_runtime=5, cpus="0") and found.pids == oci.Pids(limit=-1)


def test_block_devices_are_found_by_their_numbers() -> None:
    path, major, minor = _block_device()
    one = (DeviceLimit(path, 20),)
    found = limits.resources(
        Limits(blkio_weight=30, blkio_weight_devices=one, read_bps=one, write_bps=one, read_iops=one, write_iops=one)
    ).block_io
    throttled = [oci.ThrottleDevice(major=major, minor=minor, rate=20)]
    assert found == oci.BlockIO(
        weight=30, weight_device=[oci.WeightDevice(major=major, minor=minor, weight=20)],
        throttle_read_bps_device=throttled, throttle_write_bps_device=throttled,
        throttle_read_iops_device=throttled, throttle_write_iops_device=throttled,
    )


def test_what_is_no_block_device(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"stat {tmp_path}/x: no such file or directory"):
        limits.resources(Limits(read_bps=(DeviceLimit(f"{tmp_path}/x", 1),)))
    with pytest.raises(InvalidInput, match="/dev/null is not a block device"):
        limits.resources(Limits(write_iops=(DeviceLimit("/dev/null", 1),)))
