"""Read the security options and devices a user asks for."""

from __future__ import annotations

import os
import stat

import msgspec

from sampan.errors import InvalidInput, NotFound, Unsupported
from sampan.model import runtime_spec as oci


class Security(msgspec.Struct, frozen=True):
    """What ``--security-opt`` says. ``seccomp`` is empty for the default profile, ``unconfined``, or a profile's text."""

    no_new_privileges: bool = False
    seccomp: str = ""
    system_paths_unconfined: bool = False

    def filter(self, capabilities: list[str]) -> oci.Seccomp | None:
        """Return the system call filter for a process with these capabilities, None for no filter."""
        if self.seccomp == "unconfined":
            return None
        if self.seccomp:
            return _decoded(self.seccomp)
        from sampan.engine import confinement

        return confinement.default_seccomp(capabilities)


def parse(options: tuple[str, ...]) -> Security:
    """Read the options, in ``key=value`` or the older ``key:value`` form.

    A profile's file is read here, once. Raises InvalidInput, Unsupported for what this engine cannot apply: a container
    that asked for confinement it does not get must not start.
    """
    security = Security()
    for option in options:
        key, separator, value = _split(option)
        if key == "no-new-privileges":
            if value not in ("", "true", "false"):
                raise InvalidInput(f"invalid --security-opt: {option!r}")
            security = msgspec.structs.replace(security, no_new_privileges=value != "false")
        elif key == "seccomp" and separator:
            security = msgspec.structs.replace(security, seccomp=_profile(value))
        elif option == "systempaths=unconfined":
            security = msgspec.structs.replace(security, system_paths_unconfined=True)
        elif key in ("apparmor", "label") and value in ("unconfined", "disable"):
            continue  # there is nothing to switch off
        elif key in ("apparmor", "label"):
            raise Unsupported(f"--security-opt {key} is not supported")
        else:
            raise InvalidInput(f"invalid --security-opt: {option!r}")
    return security


def settle(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options with the content of a profile in place of its file, as they go on record."""
    settled = []
    for option in options:
        key, _, value = _split(option)
        settled.append(f"seccomp={_profile(value) or 'builtin'}" if key == "seccomp" else option)
    parse(tuple(settled))
    return tuple(settled)


def _split(option: str) -> tuple[str, str, str]:
    key, separator, value = option.partition("=")
    return (key, separator, value) if separator else option.partition(":")


def _profile(value: str) -> str:
    if value in ("unconfined", ""):
        return "unconfined"
    if value in ("builtin", "default"):
        return ""
    if value.lstrip().startswith("{"):
        return value  # on record already
    try:
        with open(value, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"opening seccomp profile ({value}) failed: {error}") from error
    _decoded(text)
    return text


def _decoded(text: str) -> oci.Seccomp:
    if any(word in text for word in ('"archMap"', '"includes"', '"excludes"')):
        # Applied without its conditions it would let through more than it says.
        raise Unsupported("the seccomp profile has conditions (archMap, includes, excludes)", "write it in OCI form")
    try:
        return msgspec.json.decode(text, type=oci.Seccomp)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"decoding seccomp profile failed: {error}") from error


def devices(asked: tuple[str, ...], privileged: bool) -> list[oci.Device]:
    """Return the device nodes for ``--device HOST[:CONTAINER[:rwm]]``, and with ``privileged`` all of the host's."""
    found = {device.path: device for device in _all_devices()} if privileged else {}
    for entry in asked:
        host, inside, _ = _parse_device(entry)
        for device in _nodes(host, inside):
            found[device.path] = device
    return list(found.values())


def device_rules(asked: tuple[str, ...], privileged: bool) -> list[oci.DeviceRule]:
    """Return the cgroup rules that let a container use the devices asked for, after those every container has."""
    from sampan.engine import confinement

    if privileged:
        return [oci.DeviceRule(allow=True, access="rwm")]
    rules = list(confinement.DEVICE_RULES)
    for entry in asked:
        host, inside, access = _parse_device(entry)
        rules += [
            oci.DeviceRule(allow=True, type=device.type, major=device.major, minor=device.minor, access=access)
            for device in _nodes(host, inside)
        ]
    return rules


def _parse_device(entry: str) -> tuple[str, str, str]:
    parts = entry.split(":")
    if len(parts) > 3 or not parts[0]:
        raise InvalidInput(f"invalid device specification: {entry}")
    host, inside, access = parts[0], parts[0], "rwm"
    if len(parts) == 3:
        inside, access = parts[1] or host, parts[2]
    elif len(parts) == 2:
        inside, access = (host, parts[1]) if _is_access(parts[1]) else (parts[1], access)
    if not _is_access(access):
        raise InvalidInput(f"invalid device mode: {access}")
    if not inside.startswith("/"):
        raise InvalidInput(f"{inside} is not an absolute path")
    return host, inside, access


def _is_access(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm")


def _nodes(host: str, inside: str) -> list[oci.Device]:
    """Return the node at ``host``, or all nodes below it when it is a directory."""
    try:
        status = os.stat(host)
    except OSError as error:
        raise NotFound(f"error gathering device information while adding custom device {host!r}: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        return [
            device
            for name in sorted(os.listdir(host))
            if os.path.isdir(f"{host}/{name}") or _is_device(os.stat(f"{host}/{name}"))
            for device in _nodes(f"{host}/{name}", f"{inside}/{name}")
        ]
    if not _is_device(status):
        raise InvalidInput(f"{host}: not a device node")
    return [_device(inside, status)]


def _all_devices() -> list[oci.Device]:
    found = []
    for parent, directories, files in os.walk("/dev"):
        directories[:] = [name for name in directories if name not in ("pts", "shm", "mqueue", "fd", ".lxc")]
        for name in files:
            path = f"{parent}/{name}"
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            if _is_device(status) and path not in ("/dev/console", "/dev/ptmx"):
                found.append(_device(path, status))
    return found


def _is_device(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)


def _device(path: str, status: os.stat_result) -> oci.Device:
    return oci.Device(
        type="c" if stat.S_ISCHR(status.st_mode) else "b",
        path=path,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        file_mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )


def sets(names: list[str], uid: int) -> oci.Capabilities:
    """Return the capability sets of a process: only root holds what its bounding set allows (capabilities(7))."""
    held = list(names) if uid == 0 else []
    return oci.Capabilities(bounding=list(names), effective=held, permitted=held)
