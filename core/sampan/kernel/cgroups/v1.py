"""Use control groups version 1, one hierarchy per controller (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import os
import time

from sampan.errors import Conflict, Unsupported
from sampan.kernel.cgroups.group import Group, amount, amounts, rdma_line, read, rows, set_limit, write
from sampan.model.runtime_spec import CPU, BlockIO, DeviceRule, Memory, Network, Resources, WeightDevice
from sampan.model.usage import CgroupStats

_UNLIMITED = 2**62  # what memory.limit_in_bytes shows of no limit is about 2**63, rounded to a page


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
        if resources.block_io:
            self._apply_block_io(resources.block_io)
        for page in resources.hugepage_limits:
            name = f"{page.page_size}.limit_in_bytes"
            set_limit(self._file("hugetlb", name), page.limit, f"huge pages of {page.page_size}")
        if resources.network:
            self._apply_network(resources.network)
        for device, bound in resources.rdma.items():
            set_limit(self._file("rdma", "max"), rdma_line(device, bound), "RDMA")
        if resources.unified:
            raise Unsupported("this machine has no unified cgroups",
                              "linux.resources.unified needs cgroup version 2")

    def _file(self, controller: str, name: str) -> str:
        directory = self._of.get(controller, f"/sys/fs/cgroup/{controller}/{self._relative}")
        return f"{directory}/{controller}.{name}"

    def _apply_devices(self, rules: list[DeviceRule]) -> None:
        for rule in rules:
            set_limit(self._file("devices", "allow" if rule.allow else "deny"), _line(rule), "access to devices")

    def _apply_memory(self, memory: Memory) -> None:
        limits = [(memory.limit, self._file("memory", "limit_in_bytes"), "memory")]
        swap = self._file("memory", "memsw.limit_in_bytes")
        # Without swap accounting the limit is left out, as Docker does: the memory limit itself still holds.
        if memory.swap and os.path.exists(swap):
            # At no time may the limit of memory alone be above that of both: when raising, both goes first.
            raising = memory.swap < 0 or memory.swap > (amount(limits[0][1]) or 0)
            limits.insert(0 if raising else 1, (memory.swap, swap, "memory and swap"))
        for value, path, what in limits:
            if value:
                set_limit(path, value, what)
        for value, name, what in (
            (memory.reservation, "soft_limit_in_bytes", "reserved memory"),
            (memory.kernel_tcp, "kmem.tcp.limit_in_bytes", "TCP memory"),
        ):
            if value:
                set_limit(self._file("memory", name), value, what)
        if memory.swappiness is not None and 0 <= memory.swappiness <= 100:
            set_limit(self._file("memory", "swappiness"), memory.swappiness, "swappiness")
        if memory.disable_oom_killer:
            set_limit(self._file("memory", "oom_control"), 1, "the OOM killer")

    def _apply_cpu(self, cpu: CPU) -> None:
        for value, controller, name, what in (
            (cpu.shares, "cpu", "shares", "CPU shares"),
            (cpu.period, "cpu", "cfs_period_us", "the CPU period"),
            (cpu.quota, "cpu", "cfs_quota_us", "the CPU quota"),
            (cpu.burst, "cpu", "cfs_burst_us", "the CPU burst"),
            (cpu.realtime_period, "cpu", "rt_period_us", "the real-time period"),
            (cpu.realtime_runtime, "cpu", "rt_runtime_us", "the real-time runtime"),
            (cpu.idle, "cpu", "idle", "CPU idling"),
            (cpu.cpus, "cpuset", "cpus", "the CPUs"),
            (cpu.mems, "cpuset", "mems", "the memory nodes"),
        ):
            if value:
                set_limit(self._file(controller, name), value, what)

    def _apply_block_io(self, block_io: BlockIO) -> None:
        prefix = "bfq." if os.path.exists(self._file("blkio", "bfq.weight")) else ""
        what = "block I/O weight"
        if block_io.weight:
            set_limit(self._file("blkio", f"{prefix}weight"), block_io.weight, what)
        if block_io.leaf_weight:
            set_limit(self._file("blkio", "leaf_weight"), block_io.leaf_weight, what)
        for device in block_io.weight_device:
            self._apply_weight(device, prefix, what)
        for name, devices in (
            ("read_bps", block_io.throttle_read_bps_device), ("write_bps", block_io.throttle_write_bps_device),
            ("read_iops", block_io.throttle_read_iops_device), ("write_iops", block_io.throttle_write_iops_device),
        ):
            for limited in devices:
                line = f"{limited.major}:{limited.minor} {limited.rate}"
                set_limit(self._file("blkio", f"throttle.{name}_device"), line, "block I/O")

    def _apply_weight(self, device: WeightDevice, prefix: str, what: str) -> None:
        for value, name in ((device.weight, f"{prefix}weight_device"), (device.leaf_weight, "leaf_weight_device")):
            if value:
                set_limit(self._file("blkio", name), f"{device.major}:{device.minor} {value}", what)

    def _apply_network(self, network: Network) -> None:
        if network.class_id:
            set_limit(self._file("net_cls", "classid"), network.class_id, "the class of network traffic")
        for interface in network.priorities:
            line = f"{interface.name} {interface.priority}"
            set_limit(self._file("net_prio", "ifpriomap"), line, "the priority of network traffic")

    def stats(self) -> CgroupStats:
        """Return what the group's processes have used and use."""
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        times, memory = amounts(self._file("cpuacct", "stat")), amounts(self._file("memory", "stat"))
        limit = amount(self._file("memory", "limit_in_bytes"))
        blocks = rows(self._file("blkio", "throttle.io_service_bytes_recursive"))
        read, written = (sum(int(row[2]) for row in blocks if row[1:2] == [word]) for word in ("Read", "Write"))
        return CgroupStats(
            cpu_total=amount(self._file("cpuacct", "usage")) or 0,
            cpu_user=times.get("user", 0) * tick, cpu_system=times.get("system", 0) * tick,
            memory_usage=amount(self._file("memory", "usage_in_bytes")) or 0,
            memory_limit=limit if limit is not None and limit < _UNLIMITED else None,
            memory_cache=memory.get("total_cache", 0), memory_inactive_file=memory.get("total_inactive_file", 0),
            pids_current=amount(self._file("pids", "current")) or 0, pids_limit=amount(self._file("pids", "max")),
            blkio_read=read, blkio_write=written)

    def oom_kills(self) -> int:
        """Return how many processes the kernel has killed for want of memory."""
        return amounts(self._file("memory", "oom_control")).get("oom_kill", 0)

    def watch_shortages(self) -> int:
        """Return an event descriptor that the kernel counts up at each want of memory, just before it kills."""
        control = self._file("memory", "oom_control")
        watched = os.open(control, os.O_RDONLY | os.O_CLOEXEC)
        try:
            descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            try:
                write(f"{os.path.dirname(control)}/cgroup.event_control", f"{descriptor} {watched}")
            except BaseException:
                os.close(descriptor)
                raise
        finally:
            os.close(watched)
        return descriptor

    def shortages(self, descriptor: int, before: int) -> int:
        """Read an event descriptor; return how often memory has been wanting, where it was ``before`` so far."""
        try:
            return before + os.eventfd_read(descriptor)
        except BlockingIOError:
            return before

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

