"""Make the device nodes and links of a container's /dev (runtime-spec, config-linux.md, "Default Devices")."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from sampan.errors import InvalidInput
from sampan.kernel import mount, paths
from sampan.model.runtime_spec import Device, DeviceRule

_DEFAULT = (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9))
_LINKS = (
    ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"), ("/proc/kcore", "core"), ("pts/ptmx", "ptmx"),
)
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def default_rules() -> list[DeviceRule]:
    """Return the device cgroup's rules for what every container may use: the default devices and terminals."""
    return [
        DeviceRule(allow=True, type="c", access="m"),
        DeviceRule(allow=True, type="b", access="m"),
        *(DeviceRule(allow=True, type="c", major=1, minor=minor, access="rwm") for _, minor in _DEFAULT),
        DeviceRule(allow=True, type="c", major=5, minor=0, access="rwm"),
        DeviceRule(allow=True, type="c", major=5, minor=2, access="rwm"),
        DeviceRule(allow=True, type="c", major=136, access="rwm"),
    ]


def populate(root: int, devices: Sequence[Device]) -> None:
    """Make the default devices, those asked for, and the links, in the tree whose root is open at ``root``."""
    asked = {os.path.normpath(device.path) for device in devices}
    before = os.umask(0)
    try:
        for name, minor in (*((name, (1, minor)) for name, minor in _DEFAULT), ("tty", (5, 0))):
            if f"/dev/{name}" not in asked:
                _make(root, Device(type="c", path=f"/dev/{name}", major=minor[0], minor=minor[1], file_mode=0o666))
        for device in devices:
            _make(root, device)
    finally:
        os.umask(before)
    directory = paths.make_directories(root, "/dev")
    try:
        for target, name in _LINKS:
            _link(directory, target, name)
    finally:
        os.close(directory)


def open_null(root: int) -> int:
    """Open the tree's /dev/null, or the host's when the tree's is something else, and return the descriptor."""
    try:
        fd = paths.open_in(root, "/dev/null")
    except OSError:
        return os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    info = os.fstat(fd)
    if stat.S_ISCHR(info.st_mode) and info.st_rdev == os.makedev(1, 3):
        return fd
    os.close(fd)
    return os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)


def _make(root: int, device: Device) -> None:
    kind = _KINDS.get(device.type)
    if kind is None:
        raise InvalidInput(f"invalid device type {device.type!r} of {device.path}", "it is c, u, b or p")
    parent, name = paths.open_parent(root, device.path)
    mode = 0o666 if device.file_mode is None else stat.S_IMODE(device.file_mode)
    number = os.makedev(max(device.major, 0), max(device.minor, 0))
    try:
        os.mknod(name, kind | mode, number, dir_fd=parent)
        os.chown(name, device.uid or 0, device.gid or 0, dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        return  # a bind mount put it there, or the image has a /dev of its own
    except PermissionError:
        _bind(root, device)
    finally:
        os.close(parent)


def _bind(root: int, device: Device) -> None:
    """Where nodes cannot be made (a user namespace), show the host's."""
    target = paths.make_file(root, device.path)
    try:
        mount.mount("", device.path, paths.name_of(target), ("bind",))
    finally:
        os.close(target)


def _link(directory: int, target: str, name: str) -> None:
    if name == "ptmx":
        try:
            os.unlink(name, dir_fd=directory)  # a node here would lead to the host's terminals
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            pass
    if name == "core" and not os.path.exists(target):
        return
    try:
        os.symlink(target, name, dir_fd=directory)
    except FileExistsError:
        pass
