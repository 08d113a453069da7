"""Use control groups version 1, one hierarchy per controller (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import os
import time

from sampan.errors import Conflict
from sampan.kernel.cgroups.group import Group, read, set_limit, write
from sampan.model.runtime_spec import CPU, DeviceRule, Memory, Resources


class LegacyGroup(Group):
    """A group of the same path in every hierarchy."""

    def __init__(self, relative: str, mounted: dict[str, str]) -> None:
        self._relative = relative
        self._mounted = mounted
        self._directories = {name: f"{mount}/{relative}" for name, mount in mounted.items()}
        self._of = {word: path for name, path in self._directories.items() for word in name.split(",")}

    @property
    def directories(self) -> dict[str, str]:
        """The group's directory in each hierarchy, by its controllers."""
        return self._directories

    @property
    def _census(self) -> str:
        for name in ("pids", "freezer"):
            if name in self._of:
                return self._of[name]
        return next(iter(self._of.values()))

    def create(self) -> None:
        """Make the group in every hierarchy; its cpuset starts as its parent's, for an empty one takes no process."""
        super().create()
        if "cpuset" in self._of:
            mount = next(path for name, path in self._mounted.items() if "cpuset" in name.split(","))
            _inherit_cpuset(mount, self._relative)

    def join(self, pid: int = 0) -> None:
        """Move a process, by default the caller, which must be single-threaded, into the group."""
        # A thread that moves itself needs no lock over all processes, which would wait for an RCU grace period.
        name = "cgroup.procs" if pid else "tasks"
        for directory in self._directories.values():
            write(f"{directory}/{name}", str(pid))

    def apply(self, resources: Resources) -> None:
        """Set limits."""
        if resources.devices:
            self._apply_devices(resources.devices)
        if resources.memory:
            self._apply_memory(resources.memory)
        if resources.cpu:
            self._apply_cpu(resources.cpu)
        if resources.pids:
            limit = resources.pids.limit
            set_limit(self._file("pids", "max"), "max" if limit <= 0 else limit, "the number of processes")
        if resources.block_io and resources.block_io.weight:
            name = "bfq.weight" if os.path.exists(self._file("blkio", "bfq.weight")) else "weight"
            set_limit(self._file("blkio", name), resources.block_io.weight, "block I/O weight")

    def _file(self, controller: str, name: str) -> str:
        directory = self._of.get(controller, f"/sys/fs/cgroup/{controller}/{self._relative}")
        return f"{directory}/{controller}.{name}"

    def _apply_devices(self, rules: list[DeviceRule]) -> None:
        for rule in rules:
            set_limit(self._file("devices", "allow" if rule.allow else "deny"), _line(rule), "access to devices")

    def _apply_memory(self, memory: Memory) -> None:
        if memory.limit:
            set_limit(self._file("memory", "limit_in_bytes"), memory.limit, "memory")
        swap = self._file("memory", "memsw.limit_in_bytes")
        # Without swap accounting the limit is left out, as Docker does: the memory limit itself still holds.
        if memory.swap and os.path.exists(swap):
            set_limit(swap, memory.swap, "memory and swap")
        if memory.reservation:
            set_limit(self._file("memory", "soft_limit_in_bytes"), memory.reservation, "reserved memory")
        if memory.swappiness is not None and 0 <= memory.swappiness <= 100:
            set_limit(self._file("memory", "swappiness"), memory.swappiness, "swappiness")
        if memory.disable_oom_killer:
            set_limit(self._file("memory", "oom_control"), 1, "the OOM killer")

    def _apply_cpu(self, cpu: CPU) -> None:
        for value, controller, name, what in (
            (cpu.shares, "cpu", "shares", "CPU shares"),
            (cpu.period, "cpu", "cfs_period_us", "the CPU period"),
            (cpu.quota, "cpu", "cfs_quota_us", "the CPU quota"),
            (cpu.realtime_period, "cpu", "rt_period_us", "the real-time period"),
            (cpu.realtime_runtime, "cpu", "rt_runtime_us", "the real-time runtime"),
            (cpu.cpus, "cpuset", "cpus", "the CPUs"),
            (cpu.mems, "cpuset", "mems", "the memory nodes"),
        ):
            if value:
                set_limit(self._file(controller, name), value, what)

    def freeze(self) -> None:
        """Stop every process and wait until all are stopped."""
        path = self._file("freezer", "state")
        deadline = time.monotonic() + 5
        while True:
            set_limit(path, "FROZEN", "the freezer")
            if read(path) == "FROZEN":
                return
            if time.monotonic() > deadline:
                self.thaw()
                raise Conflict("some processes cannot be frozen")
            time.sleep(0.002)

    def thaw(self) -> None:
        """Let every process run on."""
        set_limit(self._file("freezer", "state"), "THAWED", "the freezer")

    def frozen(self) -> bool:
        """Tell whether the group is frozen."""
        try:
            return read(self._file("freezer", "state")) in ("FROZEN", "FREEZING")
        except FileNotFoundError:
            return False


def _line(rule: DeviceRule) -> str:
    if not rule.type or rule.type == "a":
        return "a"
    major, minor = ("*" if number is None or number < 0 else str(number) for number in (rule.major, rule.minor))
    return f"{rule.type} {major}:{minor} {rule.access or 'rwm'}"


def _inherit_cpuset(mount: str, relative: str) -> None:
    parent = mount
    for name in relative.split("/"):
        here = f"{parent}/{name}"
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not read(f"{here}/{file}"):
                write(f"{here}/{file}", read(f"{parent}/{file}"))
        parent = here

