"""Write a bundle's config.json to begin with."""

from __future__ import annotations

import msgspec

from sampan.errors import AlreadyExists, InvalidInput, Unsupported
from sampan.model.runtime_spec import (
    Capabilities,
    DeviceRule,
    Linux,
    Mount,
    Namespace,
    Process,
    Resources,
    Rlimit,
    Root,
    Spec,
)
from sampan_plugins.runtimes.native.cli.context import Context
from sampan_plugins.runtimes.native.cli.options import Given, Option
from sampan_plugins.runtimes.native.state import VERSION

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
           "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"]
_READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")


def spec(context: Context, given: Given) -> int:
    """Write the file into the bundle's directory. Raises AlreadyExists."""
    if given.on("rootless"):
        raise Unsupported("sampan-oci runs no containers without root")
    path = f"{given.text('bundle')}/config.json"
    content = msgspec.json.format(msgspec.json.encode(default()), indent=4) + b"\n"
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise AlreadyExists(f"file {path} exists", "remove it first") from None
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {(error.strerror or '').lower()}") from error
    return 0


def default() -> Spec:
    """Return a specification of a shell in a root file system ``rootfs`` of the bundle, with few rights."""
    return Spec(
        oci_version=VERSION,
        process=Process(
            terminal=True, args=["sh"], cwd="/", no_new_privileges=True,
            env=["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            capabilities=Capabilities(
                bounding=_CAPABILITIES, effective=_CAPABILITIES, permitted=_CAPABILITIES),
            rlimits=[Rlimit(type="RLIMIT_NOFILE", soft=1024, hard=1024)]),
        root=Root(path="rootfs", readonly=True),
        hostname="sampan-oci",
        mounts=[
            Mount(destination="/proc", type="proc", source="proc"),
            Mount(destination="/dev", type="tmpfs", source="tmpfs",
                  options=["nosuid", "strictatime", "mode=755", "size=65536k"]),
            Mount(destination="/dev/pts", type="devpts", source="devpts",
                  options=["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            Mount(destination="/dev/shm", type="tmpfs", source="shm",
                  options=["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            Mount(destination="/dev/mqueue", type="mqueue", source="mqueue", options=["nosuid", "noexec", "nodev"]),
            Mount(destination="/sys", type="sysfs", source="sysfs", options=["nosuid", "noexec", "nodev", "ro"]),
            Mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup",
                  options=["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        linux=Linux(
            resources=Resources(devices=[DeviceRule(allow=False, access="rwm")]),
            namespaces=[Namespace(type=kind) for kind in _NAMESPACES],
            masked_paths=_MASKED, readonly_paths=_READONLY),
    )


COMMANDS = {"spec": ("", (
    Option("bundle", "the directory of the bundle", "path", "b", default="."),
    Option("rootless", "not supported"),
), spec)}
