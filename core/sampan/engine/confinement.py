"""Know Docker's defaults: what a container may do, see and use unless told otherwise."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from sampan.errors import InvalidInput, NotFound
from sampan.model import runtime_spec as oci

DEFAULT_CAPABILITIES: Final = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

MASKED_PATHS: Final = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
    "/sys/devices/virtual/powercap", "/sys/firmware",
)
"""Hidden: they tell of the host, or of other containers by their power and interrupts (CVE-2020-8694)."""

_THROTTLING = "/sys/devices/system/cpu/cpu0/thermal_throttle"

READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_SHM_SIZE = 64 << 20
_NOT_DEVICES = frozenset(("pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"))
_DEVICE_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})", re.ASCII)
_KINDS = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}


def masked_paths() -> list[str]:
    """Return what is hidden on this machine: MASKED_PATHS, and each processor's thermal events where it tells them."""
    paths = list(MASKED_PATHS)
    if os.path.isdir(_THROTTLING):
        paths += [_THROTTLING.replace("cpu0", f"cpu{number}") for number in range(os.cpu_count() or 1)]
    return paths


class Security(msgspec.Struct, frozen=True):
    """The ``--security-opt`` words, understood. ``seccomp`` is a profile's text or path, empty for the default."""

    no_new_privileges: bool = False
    system_paths_unconfined: bool = False
    seccomp: str = ""
    apparmor: str = ""
    label: str = ""

    def filter(self, capabilities: Sequence[str]) -> oci.Seccomp | None:
        """Return the system call filter for a process with these capabilities; None when unconfined."""
        from sampan.engine import syscall_filter

        if self.seccomp == "unconfined":
            return None
        if self.seccomp in ("", "builtin"):
            return default_seccomp(list(capabilities))
        return syscall_filter.load(self.seccomp, capabilities)


def default_seccomp(capabilities: list[str]) -> oci.Seccomp:
    """Return the default system call filter for a process with these capabilities, for this machine."""
    from sampan.engine import syscall_filter

    return syscall_filter.default(capabilities)


def parse_security(options: Iterable[str]) -> Security:
    """Understand ``--security-opt`` words. Raises InvalidInput on those Docker does not know."""
    found: dict[str, str | bool] = {}
    for option in options:
        if "=" not in option and ":" not in option and option != "no-new-privileges":
            raise InvalidInput(f'Invalid --security-opt: "{option}"')
        name, separator, value = option.partition("=") if "=" in option else option.partition(":")
        if name == "no-new-privileges":
            found["no_new_privileges"] = _boolean(value, option) if separator else True
        elif option == "systempaths=unconfined":
            found["system_paths_unconfined"] = True
        elif name in ("seccomp", "apparmor") and value:
            found[name] = value
        elif name == "label" and value:
            found["label"] = "" if value == "disable" else value
        else:
            raise _unknown(option)
    if found.get("label"):
        raise InvalidInput(f"security label {found['label']!r} is not supported", "use label=disable")
    return msgspec.convert(found, Security)


def _boolean(value: str, option: str) -> bool:
    if value.lower() in ("1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise _unknown(option)


def _unknown(option: str) -> InvalidInput:
    return InvalidInput(f'invalid --security-opt 2: "{option}"')  # the number is Docker's


def capability_set(add: Iterable[str], drop: Iterable[str], privileged: bool) -> list[str]:
    """Return the capabilities of a container, by Docker's rules.

    Names may lack ``CAP_`` and be in any case; ``ALL`` is every one that this process has itself to give. Adding ALL
    starts from all, dropping ALL from none. Raises InvalidInput on an unknown name.
    """
    if privileged:
        return _available()
    added, dropped = _normalized(add, "CapAdd"), _normalized(drop, "CapDrop")
    if "ALL" in added:
        return [name for name in _available() if name not in dropped]
    if "ALL" in dropped:
        return added
    kept = [name for name in DEFAULT_CAPABILITIES if name not in dropped]
    return kept + [name for name in added if name not in kept]


def sets(capabilities: Sequence[str], uid: int) -> oci.Capabilities:
    """Return the capability sets of a process; a user other than root has them within its bounds only."""
    names = list(capabilities)
    if uid:
        return oci.Capabilities(bounding=names)
    return oci.Capabilities(bounding=names, effective=names, permitted=names)


def _available() -> list[str]:
    from sampan.kernel import capabilities

    return capabilities.names(capabilities.bounding())


def _normalized(names: Iterable[str], what: str) -> list[str]:
    from sampan.kernel.capabilities import NAMES

    normal = []
    for name in names:
        full = name.upper()
        if full == "ALL":
            normal.append(full)
            continue
        full = full if full.startswith("CAP_") else f"CAP_{full}"
        if full not in NAMES:
            raise InvalidInput(f'invalid {what}: unknown capability: "{full}"')
        normal.append(full)
    return list(dict.fromkeys(normal))


def mounts(*, privileged: bool, shm_size: int) -> list[oci.Mount]:
    """Return the system's mounts, in order. ``shm_size`` is in bytes, 0 for the default of 64 MiB."""
    access = "rw" if privileged else "ro"
    return [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
               "gid=5"),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", access, "nosuid", "noexec", "nodev"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        shared_memory(shm_size),
    ]


def shared_memory(size: int) -> oci.Mount:
    """Return the mount of shared memory. ``size`` is in bytes, 0 for the default of 64 MiB."""
    return _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", f"size={size or _SHM_SIZE}")


def _mount(destination: str, kind: str, source: str, *options: str) -> oci.Mount:
    return oci.Mount(destination=destination, type=kind, source=source, options=list(options))


def devices(requests: Iterable[str], privileged: bool) -> list[oci.Device]:
    """Return the device nodes beyond the default ones: the host's when privileged, else those asked for.

    A request is ``HOST[:CONTAINER][:ACCESS]``. Raises InvalidInput, NotFound.
    """
    if privileged:
        return list(_below("/dev", "/dev"))
    return [device for request in requests for device, _ in _requested(request)]


def device_rules(requests: Iterable[str], privileged: bool, more: Iterable[str] = ()) -> list[oci.DeviceRule]:
    """Return the device cgroup's rules: everything when privileged, else the default devices and those asked for.

    ``more`` are rules as the kernel words them, ``TYPE MAJOR:MINOR ACCESS``. Raises InvalidInput.
    """
    if privileged:
        return [oci.DeviceRule(allow=True, access="rwm")]
    rules = [oci.DeviceRule(allow=False, access="rwm"), *_default_rules()]
    rules += [
        oci.DeviceRule(allow=True, type=device.type, major=device.major, minor=device.minor, access=access)
        for request in requests for device, access in _requested(request)
    ]
    return [*rules, *(rule for text in more for rule in parse_device_rule(text))]


def parse_device_rule(text: str) -> list[oci.DeviceRule]:
    """Understand ``TYPE MAJOR:MINOR ACCESS``, where a number may be ``*``. Raises InvalidInput in Docker's words.

    The type ``a`` becomes two rules: the kernel takes it for every device, whatever numbers come with it.
    """
    match = _DEVICE_RULE.fullmatch(text)
    if match is None:
        raise InvalidInput(f"invalid device cgroup format '{text}'")
    major, minor = (None if number == "*" else int(number) for number in match.group(2, 3))
    return [
        oci.DeviceRule(allow=True, type=kind, major=major, minor=minor, access=match[4])
        for kind in match[1].replace("a", "bc")
    ]


def _default_rules() -> Iterator[oci.DeviceRule]:
    # null, zero, full, random, urandom, then tty, console, ptmx and every terminal of devpts.
    for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None)):
        yield oci.DeviceRule(allow=True, type="c", major=major, minor=minor, access="rwm")


def _requested(request: str) -> list[tuple[oci.Device, str]]:
    source, target, access = parse_device(request)
    if not os.path.exists(source):
        raise NotFound(
            f'error gathering device information while adding custom device "{source}": no such file or directory')
    found = list(_below(source, target)) if os.path.isdir(source) else [_device(source, target)]
    if not found or found[0] is None:
        raise InvalidInput(
            f'error gathering device information while adding custom device "{source}": not a device node')
    return [(device, access) for device in found if device]


def parse_device(request: str) -> tuple[str, str, str]:
    """Split ``HOST[:CONTAINER][:ACCESS]``. Raises InvalidInput."""
    parts = request.split(":")
    source = parts[0]
    target, access = source, "rwm"
    if len(parts) == 2:
        if _is_access(parts[1]):
            access = parts[1]
        else:
            target = parts[1]
    elif len(parts) == 3:
        target, access = parts[1] or source, parts[2]
    if len(parts) > 3 or not source:
        raise InvalidInput(f"invalid device specification: {request}")
    if not _is_access(access):
        raise InvalidInput(f"bad mode specified: {access}")
    if not target.startswith("/"):
        raise InvalidInput(f"{target} is not an absolute path")
    return source, target, access


def _is_access(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def _below(directory: str, shown: str) -> Iterator[oci.Device]:
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name in _NOT_DEVICES or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{shown}/{entry.name}")
        elif device := _device(entry.path, f"{shown}/{entry.name}"):
            yield device


def _device(path: str, shown: str) -> oci.Device | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    kind = _KINDS.get(stat.S_IFMT(info.st_mode))
    if kind is None:
        return None
    return oci.Device(
        type=kind, path=shown, major=os.major(info.st_rdev), minor=os.minor(info.st_rdev),
        file_mode=stat.S_IMODE(info.st_mode), uid=info.st_uid, gid=info.st_gid)
