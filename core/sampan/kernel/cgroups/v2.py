"""Use control groups version 2, the single unified hierarchy (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import os
import time

from sampan.errors import Conflict, InvalidInput, Unsupported
from sampan.kernel.cgroups.group import Group, amount, amounts, rdma_line, read, rows, set_limit, write
from sampan.model.runtime_spec import CPU, BlockIO, Memory, Network, Resources
from sampan.model.usage import CgroupStats

_WANTED = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb", "rdma")


class UnifiedGroup(Group):
    """A group of the unified hierarchy mounted at ``mount``."""

    def __init__(self, relative: str, mount: str) -> None:
        self._mount = mount
        self._relative = relative
        self._directory = f"{mount}/{relative}"

    @property
    def directories(self) -> dict[str, str]:
        """The group's one directory, under the empty name."""
        return {"": self._directory}

    @property
    def _census(self) -> str:
        return self._directory

    def create(self) -> None:
        """Make the group, its parents handing down every controller they have."""
        parent = self._mount
        for name in self._relative.split("/"):
            _hand_down(parent)
            parent = f"{parent}/{name}"
            os.makedirs(parent, exist_ok=True)

    def apply(self, resources: Resources) -> None:
        """Set limits; those of version 1 are translated."""
        if resources.devices:
            from sampan.kernel.cgroups.devices import restrict

            restrict(self._directory, resources.devices)
        if resources.memory:
            self._apply_memory(resources.memory)
        if resources.cpu:
            self._apply_cpu(resources.cpu)
        if resources.pids:
            limit = resources.pids.limit
            self._set("pids.max", "max" if limit <= 0 else limit, "the number of processes")
        if resources.block_io:
            self._apply_block_io(resources.block_io)
        for page in resources.hugepage_limits:
            self._set(f"hugetlb.{page.page_size}.max", page.limit, f"huge pages of {page.page_size}")
        for device, bound in resources.rdma.items():
            self._set("rdma.max", rdma_line(device, bound), "RDMA")
        if resources.network:
            _refuse_network(resources.network)
        for name, value in resources.unified.items():
            if "/" in name or name.startswith("cgroup."):
                raise InvalidInput(f"{name!r} is no limit of a control group")
            self._set(name, value, name)

    def _set(self, name: str, value: int | str, what: str) -> None:
        set_limit(f"{self._directory}/{name}", value, what)

    def _apply_memory(self, memory: Memory) -> None:
        if memory.limit:
            self._set("memory.max", _limit(memory.limit), "memory")
        if memory.swap and os.path.exists(f"{self._directory}/memory.swap.max"):
            # Version 1 counts memory and swap together, version 2 swap alone.
            swap = -1 if memory.swap < 0 else max(memory.swap - (memory.limit or 0), 0)
            self._set("memory.swap.max", _limit(swap), "swap")
        if memory.reservation:
            self._set("memory.low", _limit(memory.reservation), "reserved memory")

        if memory.swappiness is not None or memory.disable_oom_killer:
            what = "disable the OOM killer" if memory.disable_oom_killer else "set swappiness"
            raise Unsupported(f"cgroup version 2 cannot {what} for one container")

    def _apply_cpu(self, cpu: CPU) -> None:
        if cpu.realtime_period or cpu.realtime_runtime:
            raise Unsupported("cgroup version 2 cannot limit real-time processes")
        if cpu.shares:
            # Maps version 1's range of 2 … 262144 to 1 … 10000.
            weight = 1 + (max(cpu.shares, 2) - 2) * 9999 // 262142
            self._set("cpu.weight", min(weight, 10000), "CPU shares")
        if cpu.quota or cpu.period:
            present = rows(f"{self._directory}/cpu.max") or [["max", "100000"]]
            quota = present[0][0] if not cpu.quota else str(cpu.quota) if cpu.quota > 0 else "max"
            self._set("cpu.max", f"{quota} {cpu.period or present[0][1]}", "CPU time")
        if cpu.burst:
            self._set("cpu.max.burst", cpu.burst, "the CPU burst")
        if cpu.idle:
            self._set("cpu.idle", cpu.idle, "CPU idling")
        if cpu.cpus:
            self._set("cpuset.cpus", cpu.cpus, "the CPUs")
        if cpu.mems:
            self._set("cpuset.mems", cpu.mems, "the memory nodes")

    def _apply_block_io(self, block_io: BlockIO) -> None:
        bfq = os.path.exists(f"{self._directory}/io.bfq.weight")
        own = [(f"{device.major}:{device.minor} ", device.weight) for device in block_io.weight_device]
        for prefix, weight in (("", block_io.weight), *own):
            if weight:
                # Without the BFQ scheduler, version 1's range of 10 … 1000 is mapped to 1 … 10000.
                value = weight if bfq else 1 + (weight - 10) * 9999 // 990
                self._set("io.bfq.weight" if bfq else "io.weight", f"{prefix}{value}", "block I/O weight")
        for key, devices in (
            ("rbps", block_io.throttle_read_bps_device), ("wbps", block_io.throttle_write_bps_device),
            ("riops", block_io.throttle_read_iops_device), ("wiops", block_io.throttle_write_iops_device),
        ):
            for limited in devices:
                self._set("io.max", f"{limited.major}:{limited.minor} {key}={limited.rate}", "block I/O")

    def stats(self) -> CgroupStats:
        """Return what the group's processes have used and use."""
        times, memory = amounts(f"{self._directory}/cpu.stat"), amounts(f"{self._directory}/memory.stat")
        transfers = [word.partition("=") for row in rows(f"{self._directory}/io.stat") for word in row[1:]]
        read, written = (sum(int(count) for name, _, count in transfers if name == key) for key in ("rbytes", "wbytes"))
        return CgroupStats(
            cpu_total=times.get("usage_usec", 0) * 1000, cpu_user=times.get("user_usec", 0) * 1000,
            cpu_system=times.get("system_usec", 0) * 1000,
            memory_usage=amount(f"{self._directory}/memory.current") or 0,
            memory_limit=amount(f"{self._directory}/memory.max"),
            memory_cache=memory.get("file", 0), memory_inactive_file=memory.get("inactive_file", 0),
            pids_current=amount(f"{self._directory}/pids.current") or 0,
            pids_limit=amount(f"{self._directory}/pids.max"),
            blkio_read=read, blkio_write=written)

    def _kill(self, pids: list[int]) -> None:
        try:
            write(f"{self._directory}/cgroup.kill", "1")
        except FileNotFoundError:  # before Linux 5.14
            super()._kill(pids)

    def oom_kills(self) -> int:
        """Return how many processes the kernel has killed for want of memory."""
        return amounts(f"{self._directory}/memory.events").get("oom_kill", 0)

    def watch_shortages(self) -> int:
        """Return an inotify descriptor that can be read when the counts of the group's shortages change."""
        from sampan.kernel import inotify

        return inotify.watch(f"{self._directory}/memory.events")

    def shortages(self, descriptor: int, before: int) -> int:
        """Read an inotify descriptor; return how many processes have been killed, ``before`` or more."""
        from sampan.kernel import inotify

        inotify.drain(descriptor)
        return max(before, self.oom_kills())

    def freeze(self) -> None:
        """Stop every process and wait until all are stopped."""
        self._set("cgroup.freeze", 1, "the freezer")
        deadline = time.monotonic() + 5
        while not self.frozen():
            if time.monotonic() > deadline:
                self.thaw()
                raise Conflict("some processes cannot be frozen")
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let every process run on."""
        self._set("cgroup.freeze", 0, "the freezer")

    def frozen(self) -> bool:
        """Tell whether every process of the group is frozen."""
        try:
            return "frozen 1" in read(f"{self._directory}/cgroup.events")
        except FileNotFoundError:
            return False


def _refuse_network(network: Network) -> None:
    if network.class_id or network.priorities:
        raise Unsupported("cgroup version 2 does not mark network traffic", "match the cgroup with nftables instead")


def _limit(value: int) -> int | str:
    return "max" if value < 0 else value


def _hand_down(directory: str) -> None:
    """Enable every controller for the groups below, where it can be."""
    with open(f"{directory}/cgroup.controllers", encoding="ascii") as file:
        available = file.read().split()
    with open(f"{directory}/cgroup.subtree_control", encoding="ascii") as file:
        enabled = file.read().split()
    for controller in _WANTED:
        if controller in available and controller not in enabled:
            try:
                write(f"{directory}/cgroup.subtree_control", f"+{controller}")
            except OSError:
                # Processes in the parent itself forbid it (the "no internal process" rule); a limit that then
                # cannot be set is reported when it is asked for.
                continue
