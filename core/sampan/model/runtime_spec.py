"""The OCI runtime-spec documents a bundle's ``config.json`` is made of (runtime-spec v1.2, config.md, config-linux.md).

Unlike the other models these are mutable: extensions amend a container's spec before it starts.
Members Sampan neither writes nor reads are left out; a runtime ignores what it does not know. What the specification
requires is always written, its default too: such members have a default *factory*, which msgspec never leaves out.
"""

from __future__ import annotations

import msgspec

VERSION = "1.0.2"


class _Document(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """A JSON object of the specification: camelCase members, defaults left out."""


class User(_Document):
    """Whom the process runs as, in the container's user namespace."""

    uid: int = msgspec.field(default_factory=lambda: 0)
    gid: int = msgspec.field(default_factory=lambda: 0)
    umask: int | None = None
    additional_gids: list[int] = []


class ConsoleSize(_Document):
    """The terminal's size in characters."""

    height: int
    width: int


class Capabilities(_Document):
    """The five capability sets of capabilities(7), by CAP_ name."""

    bounding: list[str] = []
    effective: list[str] = []
    inheritable: list[str] = []
    permitted: list[str] = []
    ambient: list[str] = []


class Rlimit(_Document):
    """One resource limit; ``type`` is the RLIMIT_ name."""

    type: str
    soft: int
    hard: int


class Scheduler(_Document):
    """How the kernel shares out processor time (sched_setattr(2)); times in nanoseconds."""

    policy: str
    nice: int = 0
    priority: int = 0
    flags: list[str] = []
    runtime: int = 0
    deadline: int = 0
    period: int = 0


class IOPriority(_Document):
    """The class (IOPRIO_CLASS_ …) and the level in it, 0 the most urgent (ioprio_set(2))."""

    class_: str = msgspec.field(default="", name="class")
    priority: int = 0


class CPUAffinity(_Document):
    """Which processors an exec runs on: before it joins the container's cgroup, and then."""

    initial: str = ""
    final: str = ""


class Process(_Document):
    """A process of the container: its first, or one that joins by exec."""

    args: list[str]
    cwd: str = msgspec.field(default_factory=lambda: "/")
    terminal: bool = False
    console_size: ConsoleSize | None = None
    user: User = msgspec.field(default_factory=User)
    env: list[str] = []
    capabilities: Capabilities | None = None
    rlimits: list[Rlimit] = []
    no_new_privileges: bool = False
    apparmor_profile: str = ""
    oom_score_adj: int | None = None
    selinux_label: str = ""
    scheduler: Scheduler | None = None
    io_priority: IOPriority | None = None
    exec_cpu_affinity: CPUAffinity | None = msgspec.field(default=None, name="execCPUAffinity")


class Root(_Document):
    """Where the root file system is, relative to the bundle or absolute."""

    path: str
    readonly: bool = False


class IDMapping(_Document, rename={"container_id": "containerID", "host_id": "hostID"}):
    """A range of ids of a user namespace."""

    container_id: int
    host_id: int
    size: int


class Mount(_Document):
    """A mount inside the container, in order. With mappings the ids of its files are shown as others."""

    destination: str
    type: str = ""
    source: str = ""
    options: list[str] = []
    uid_mappings: list[IDMapping] = []
    gid_mappings: list[IDMapping] = []


class Namespace(_Document):
    """A namespace to create, or to join when ``path`` names one."""

    type: str
    path: str = ""


class TimeOffset(_Document):
    """How far a clock of a time namespace is from the machine's."""

    secs: int = 0
    nanosecs: int = 0


class Device(_Document):
    """A device node to make in the container."""

    type: str
    path: str
    major: int = msgspec.field(default_factory=lambda: 0)
    minor: int = msgspec.field(default_factory=lambda: 0)
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class DeviceRule(_Document):
    """A rule of the device cgroup, in order of application."""

    allow: bool
    type: str = ""
    major: int | None = None
    minor: int | None = None
    access: str = ""


class Memory(_Document):
    """Memory limits in bytes."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    kernel_tcp: int | None = msgspec.field(default=None, name="kernelTCP")
    swappiness: int | None = None
    disable_oom_killer: bool | None = msgspec.field(default=None, name="disableOOMKiller")
    use_hierarchy: bool | None = None
    check_before_update: bool | None = None


class CPU(_Document):
    """CPU limits; times in microseconds."""

    shares: int | None = None
    quota: int | None = None
    burst: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str = ""
    mems: str = ""
    idle: int | None = None


class Pids(_Document):
    """The most processes and threads."""

    limit: int


class WeightDevice(_Document):
    """A block device's own weight."""

    major: int
    minor: int
    weight: int | None = None
    leaf_weight: int | None = None


class ThrottleDevice(_Document):
    """The most bytes, or operations, per second on a block device."""

    major: int
    minor: int
    rate: int


class BlockIO(_Document, rename={
    "leaf_weight": "leafWeight", "weight_device": "weightDevice",
    "throttle_read_bps_device": "throttleReadBpsDevice", "throttle_write_bps_device": "throttleWriteBpsDevice",
    "throttle_read_iops_device": "throttleReadIOPSDevice", "throttle_write_iops_device": "throttleWriteIOPSDevice",
}):
    """Weights of block devices, 10 to 1000, and limits on them."""

    weight: int | None = None
    leaf_weight: int | None = None
    weight_device: list[WeightDevice] = []
    throttle_read_bps_device: list[ThrottleDevice] = []
    throttle_write_bps_device: list[ThrottleDevice] = []
    throttle_read_iops_device: list[ThrottleDevice] = []
    throttle_write_iops_device: list[ThrottleDevice] = []


class HugepageLimit(_Document):
    """The most bytes in huge pages of a size ("2MB")."""

    page_size: str
    limit: int


class InterfacePriority(_Document):
    """The priority of traffic through a host's interface."""

    name: str
    priority: int


class Network(_Document):
    """What marks the group's traffic."""

    class_id: int | None = msgspec.field(default=None, name="classID")
    priorities: list[InterfacePriority] = []


class RDMA(_Document):
    """The most handles and objects of an RDMA device."""

    hca_handles: int | None = None
    hca_objects: int | None = None


class Resources(_Document):
    """What the container's cgroup allows."""

    devices: list[DeviceRule] = []
    memory: Memory | None = None
    cpu: CPU | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = msgspec.field(default=None, name="blockIO")
    hugepage_limits: list[HugepageLimit] = []
    network: Network | None = None
    rdma: dict[str, RDMA] = {}
    unified: dict[str, str] = {}


class SyscallArg(_Document):
    """A condition on a system call's argument."""

    index: int
    value: int
    op: str
    value_two: int = 0


class Syscall(_Document):
    """What happens to the named system calls."""

    names: list[str]
    action: str
    errno_ret: int | None = None
    args: list[SyscallArg] = []


class Seccomp(_Document):
    """A system call filter."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: list[str] = []
    flags: list[str] = []
    listener_path: str = ""
    listener_metadata: str = ""
    syscalls: list[Syscall] = []


class Personality(_Document):
    """What kind of system the processes are told they run on (personality(2))."""

    domain: str
    flags: list[str] = []


class IntelRDT(_Document, rename={"clos_id": "closID"}):
    """A class of service of the processor's cache and memory bandwidth."""

    clos_id: str = ""


class Linux(_Document):
    """The part that is Linux's."""

    namespaces: list[Namespace] = []
    uid_mappings: list[IDMapping] = []
    gid_mappings: list[IDMapping] = []
    time_offsets: dict[str, TimeOffset] = {}
    devices: list[Device] = []
    cgroups_path: str = ""
    resources: Resources | None = None
    rootfs_propagation: str = ""
    seccomp: Seccomp | None = None
    sysctl: dict[str, str] = {}
    masked_paths: list[str] = []
    readonly_paths: list[str] = []
    mount_label: str = ""
    personality: Personality | None = None
    intel_rdt: IntelRDT | None = None


class Hook(_Document):
    """A program run at a point of the life cycle; ``timeout`` in seconds."""

    path: str
    args: list[str] = []
    env: list[str] = []
    timeout: int | None = None


class Hooks(_Document):
    """The programs run around the container's life."""

    prestart: list[Hook] = []
    create_runtime: list[Hook] = []
    create_container: list[Hook] = []
    start_container: list[Hook] = []
    poststart: list[Hook] = []
    poststop: list[Hook] = []


class Spec(_Document):
    """A whole ``config.json``."""

    oci_version: str = msgspec.field(default_factory=lambda: VERSION)
    process: Process | None = None
    root: Root | None = None
    hostname: str = ""
    domainname: str = ""
    mounts: list[Mount] = []
    linux: Linux | None = None
    hooks: Hooks | None = None
    annotations: dict[str, str] = {}
