"""Describe containers: what was asked for (ContainerSpec), and what became of it (Container)."""

from __future__ import annotations

import enum

import msgspec

from sampan.model.digest import Digest
from sampan.model.image import HealthCheck
from sampan.model.network import Connection, Endpoint, Link, PortMapping


class Status(enum.StrEnum):
    """The states ``ps`` shows. CREATING and REMOVING exist so that a killed command can be undone."""

    CREATING = "creating"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


PROPAGATIONS = frozenset(("shared", "slave", "private", "rshared", "rslave", "rprivate"))
"""How mounts made later on one side of a bind appear on the other: mount(8)'s words."""

RUNNING = (Status.RUNNING, Status.PAUSED)
"""The states in which a container has processes."""

ALIVE = (*RUNNING, Status.RESTARTING)
"""The states in which a monitor looks after a container."""


class Volume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ``-v``, ``--mount`` or ``--tmpfs``. ``kind`` is ``bind``, ``volume``, ``tmpfs`` or ``image``.

    ``source`` is a path, an image as the user names it, whose id is ``image`` once the container is created, or a
    volume's name, empty for an ``anonymous`` one until then; ``driver``,
    ``driver_options`` and ``labels`` are for a volume that is made then, and ``copy`` says that it is filled from the
    image if it is empty. ``subpath`` mounts a part of it. ``recursive`` is for what is mounted below a bind's source:
    ``disabled`` leaves that out, ``writable`` keeps it writable where the bind is read-only, ``readonly`` makes it
    read-only with the bind, as empty does. ``given`` tells who asked where it was neither ``-v`` nor ``--tmpfs``:
    ``mount``, ``volumes-from`` or ``image``.
    """

    kind: str
    target: str
    source: str = ""
    image: str = ""
    read_only: bool = False
    options: tuple[str, ...] = ()
    create_source: bool = False
    anonymous: bool = False
    copy: bool = True
    subpath: str = ""
    recursive: str = ""
    driver: str = ""
    driver_options: dict[str, str] = {}
    labels: dict[str, str] = {}
    given: str = ""

    @property
    def writable(self) -> bool:
        """Whether the container may write there."""
        return not self.read_only and self.kind != "image"

    @property
    def propagation(self) -> str:
        """The propagation asked for, empty when none was."""
        return next((option for option in self.options if option in PROPAGATIONS), "")


class DeviceLimit(msgspec.Struct, frozen=True):
    """What a block device of the host is limited to: a weight, or bytes or operations per second."""

    path: str
    amount: int


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Resource limits. Sizes in bytes, CPU time in microseconds per period; 0 means no limit.

    ``nano_cpus`` are billionths of a CPU, in place of quota and period. ``kernel_memory`` is kept to be shown and has
    no effect, as with Docker on any kernel of today.
    """

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    nano_cpus: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    kernel_memory: int = 0
    swappiness: int | None = None
    oom_kill_disable: bool = False
    blkio_weight: int = 0
    blkio_weight_devices: tuple[DeviceLimit, ...] = ()
    read_bps: tuple[DeviceLimit, ...] = ()
    write_bps: tuple[DeviceLimit, ...] = ()
    read_iops: tuple[DeviceLimit, ...] = ()
    write_iops: tuple[DeviceLimit, ...] = ()
    pids: int = 0

    @property
    def memory_and_swap(self) -> int:
        """The limit of both together, which is twice that of memory where only memory has one."""
        return self.memory_swap or 2 * self.memory


class Ulimit(msgspec.Struct, frozen=True):
    """A resource limit of setrlimit(2); -1 is unlimited."""

    name: str
    soft: int
    hard: int


class RestartPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a container is started again: ``no``, ``on-failure``, ``always`` or ``unless-stopped``.

    ``retries`` is how often ``on-failure`` tries; 0: for ever.
    """

    name: str = "no"
    retries: int = 0


class Ending(enum.StrEnum):
    """What a user asked a run to end for. It then is not begun anew, and RESTART spares what would be removed."""

    NONE = ""
    STOP = "stop"
    RESTART = "restart"


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user asks a container to be. None and empty mean: as the image says, or Docker's default.

    ``entrypoint`` None keeps the image's; an empty tuple clears it. ``init`` runs a minimal process 1. ``shell`` is
    what the script of a health check is given to. ``attached`` names the streams that whoever creates the container
    means to be at; ``image_volumes`` are the places for which the image has volumes, found when it is created.
    ``network`` is a network's name, or ``container:`` and the id of one whose network is shared; ``connections`` tell
    more of it, and of further ones: once the container is created they are all there are. ``ports`` are to be had on
    the host, and with ``publish_all`` every exposed one.
    """

    image: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    name: str = ""
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    hostname: str = ""
    domainname: str = ""
    labels: dict[str, str] = {}
    volumes: tuple[Volume, ...] = ()
    volumes_from: tuple[str, ...] = ()
    volume_driver: str = ""
    image_volumes: tuple[str, ...] = ()
    network: str = ""
    connections: tuple[Connection, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    terminal: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    attached: tuple[str, ...] = ()
    auto_remove: bool = False
    read_only: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    limits: Limits = Limits()
    ulimits: tuple[Ulimit, ...] = ()
    shm_size: int = 0
    sysctls: dict[str, str] = {}
    devices: tuple[str, ...] = ()
    device_rules: tuple[str, ...] = ()
    oom_score_adj: int = 0
    cgroup_parent: str = ""
    storage_options: dict[str, str] = {}
    exposed_ports: tuple[str, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    publish_all: bool = False
    init: bool = False
    stop_signal: str = ""
    stop_timeout: int | None = None
    platform: str = ""
    runtime: str = ""
    storage_driver: str = ""
    log_driver: str = ""
    log_options: dict[str, str] = {}
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    cgroup_mode: str = ""
    userns_mode: str = ""
    annotations: dict[str, str] = {}
    restart: RestartPolicy = RestartPolicy()
    health: HealthCheck | None = None
    shell: tuple[str, ...] = ()


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container on record. Times are seconds since the epoch, 0 where the moment has not come.

    ``path`` and ``args`` are the resolved command; ``storage_driver``, ``runtime`` and ``log_driver`` name what it
    was made with, which outranks later preference. ``pid`` is the first process as the host sees it; ``monitor`` is the
    token of the process that looks after it while it runs (see ``sampan.store.owner``). ``restarts`` counts how often
    its restart policy started it since a user did; ``health`` is what its health check says, empty when it has none.
    """

    id: str
    name: str
    image_id: Digest
    spec: ContainerSpec
    path: str
    created: float
    storage_driver: str
    runtime: str
    log_driver: str
    network_driver: str
    args: tuple[str, ...] = ()
    status: Status = Status.CREATED
    pid: int = 0
    started: float = 0.0
    finished: float = 0.0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    monitor: str = ""
    restarts: int = 0
    ending: Ending = Ending.NONE
    health: str = ""
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def short_id(self) -> str:
        """The first twelve digits, as ``ps`` shows them."""
        return self.id[:12]

    @property
    def expires(self) -> bool:
        """Whether it is removed at its end (``--rm``): not at one from which it is started again."""
        return self.spec.auto_remove and self.ending is not Ending.RESTART

    @property
    def alive(self) -> bool:
        """Whether a monitor should be looking after it: it runs, or is about to again."""
        return self.status in ALIVE
