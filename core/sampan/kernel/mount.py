"""Mount and unmount file systems, described by words as in fstab(5) (mount(2), fsopen(2), mount_setattr(2))."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from sampan.errors import Unsupported
from sampan.kernel import libc, paths
from sampan.model.mount import Mount

RDONLY: Final = 1
NOSUID: Final = 2
NODEV: Final = 4
NOEXEC: Final = 8
SYNCHRONOUS: Final = 16
REMOUNT: Final = 32
MANDLOCK: Final = 64
DIRSYNC: Final = 128
NOSYMFOLLOW: Final = 256
NOATIME: Final = 1024
NODIRATIME: Final = 2048
BIND: Final = 4096
REC: Final = 16384
UNBINDABLE: Final = 1 << 17
PRIVATE: Final = 1 << 18
SLAVE: Final = 1 << 19
SHARED: Final = 1 << 20
RELATIME: Final = 1 << 21
STRICTATIME: Final = 1 << 24
DETACH: Final = 2
IDMAP: Final = 0x100000
"""The attribute of a mount that shows ids as a user namespace maps them."""

_SET = {
    "ro": RDONLY, "nosuid": NOSUID, "nodev": NODEV, "noexec": NOEXEC, "sync": SYNCHRONOUS, "remount": REMOUNT,
    "mand": MANDLOCK, "dirsync": DIRSYNC, "nosymfollow": NOSYMFOLLOW, "noatime": NOATIME, "nodiratime": NODIRATIME,
    "bind": BIND, "rbind": BIND | REC, "relatime": RELATIME, "strictatime": STRICTATIME, "iversion": 1 << 23,
    "lazytime": 1 << 25, "silent": 1 << 15,
}
_CLEAR = {
    "rw": RDONLY, "suid": NOSUID, "dev": NODEV, "exec": NOEXEC, "async": SYNCHRONOUS, "nomand": MANDLOCK,
    "atime": NOATIME, "diratime": NODIRATIME, "norelatime": RELATIME, "nostrictatime": STRICTATIME,
    "symfollow": NOSYMFOLLOW, "noiversion": 1 << 23, "nolazytime": 1 << 25, "loud": 1 << 15, "defaults": 0,
}
_PROPAGATION = {
    "private": PRIVATE, "rprivate": PRIVATE | REC, "slave": SLAVE, "rslave": SLAVE | REC,
    "shared": SHARED, "rshared": SHARED | REC, "unbindable": UNBINDABLE, "runbindable": UNBINDABLE | REC,
}
# mount_setattr(2) for options that reach down a whole tree of mounts.
_RECURSIVE = {
    "rro": 1, "rnosuid": 2, "rnodev": 4, "rnoexec": 8, "rnodiratime": 0x80, "rnosymfollow": 0x200000,
    "rnoatime": 0x10, "rstrictatime": 0x20, "rrelatime": 0,
}
_NOT_RECURSIVE = {
    "rrw": 1, "rsuid": 2, "rdev": 4, "rexec": 8, "rdiratime": 0x80, "rsymfollow": 0x200000,
    "ratime": 0x70, "rnostrictatime": 0x70, "rnorelatime": 0x70,
}
WORDS: Final = frozenset((*_SET, *_CLEAR, *_PROPAGATION, *_RECURSIVE, *_NOT_RECURSIVE))
"""Every option word that means the same for all file systems."""

_RECURSIVE_ATIME = frozenset(("rnoatime", "rstrictatime", "rrelatime"))
_ATTRIBUTES = {RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, NOATIME: 0x10, STRICTATIME: 0x20, NODIRATIME: 0x80,
               NOSYMFOLLOW: 0x200000}
_ATIME = NOATIME | RELATIME | STRICTATIME
_ATIME_ATTRIBUTES = 0x70
_PAGE = 4096


class Options(msgspec.Struct):
    """The words of an option list, sorted: what to set and clear, how to propagate, and what the file system takes."""

    flags: int = 0
    cleared: int = 0
    propagation: list[int] = msgspec.field(default_factory=list)
    recursive: int = 0
    recursively_cleared: int = 0
    data: list[str] = msgspec.field(default_factory=list)

    @property
    def bind(self) -> bool:
        """Whether this is a bind mount."""
        return bool(self.flags & BIND)


def parse(options: Iterable[str]) -> Options:
    """Sort option words; of two that contradict each other the later counts."""
    parsed = Options()
    for word in options:
        if word in _SET:
            parsed.flags |= _SET[word]
            parsed.cleared &= ~_SET[word]
        elif word in _CLEAR:
            parsed.flags &= ~_CLEAR[word]
            parsed.cleared |= _CLEAR[word]
        elif word in _PROPAGATION:
            parsed.propagation.append(_PROPAGATION[word])
        elif word in _RECURSIVE or word in _NOT_RECURSIVE:
            _parse_recursive(parsed, word)
        elif word:
            parsed.data.append(word)
    return parsed


def _parse_recursive(parsed: Options, word: str) -> None:
    # How access times are kept is a number, not a bit: it is cleared as a whole before it is set.
    cleared = _ATIME_ATTRIBUTES if word in _RECURSIVE_ATIME else _NOT_RECURSIVE.get(word, 0)
    parsed.recursively_cleared |= cleared
    parsed.recursive = parsed.recursive & ~cleared | _RECURSIVE.get(word, 0)


def mount(kind: str, source: str, target: str, options: Iterable[str]) -> None:
    """Mount one file system, or bind ``source``, at the path ``target``. Raises OSError, Unsupported.

    On failure nothing stays mounted. To mount at an open descriptor, ``target`` is ``paths.name_of(fd)``. A bind mount
    keeps the flags (nosuid, ro …) that its source has, unless an option takes one away and the kernel allows it.
    With the type "none" nothing is mounted: the options change how the mount at ``target`` propagates, or its flags.
    The type ``fuse.PROGRAM`` has a program serve the file system, see ``sampan.kernel.fuse``.
    """
    parsed = parse(options)
    if kind.startswith("fuse."):
        from sampan.kernel import fuse

        fuse.mount(kind, source, target, parsed.flags, parsed.data)
        return
    if kind in ("", "none") and not parsed.bind:
        _change(target, parsed)
        return
    if parsed.bind and not parsed.flags & REMOUNT:
        tree = clone(source, recursive=bool(parsed.flags & REC))
    elif parsed.propagation or parsed.recursive or parsed.recursively_cleared or len(",".join(parsed.data)) >= _PAGE:
        tree = _detached(kind, source, parsed)
    else:
        libc.mount(source or kind, target, kind, parsed.flags, ",".join(parsed.data) or None)
        return
    try:
        _place(tree, target, parsed)
    finally:
        os.close(tree)


def place(tree: int, target: str, options: Iterable[str]) -> None:
    """Attach a detached clone at ``target`` as a bind mount with these options. Raises OSError, Unsupported."""
    _place(tree, target, parse(options))


def _place(tree: int, target: str, parsed: Options) -> None:
    if parsed.bind:
        _adjust(tree, parsed)
    for propagation in parsed.propagation:
        set_attributes(tree, propagation=propagation & ~REC, recursive=bool(propagation & REC))
    if parsed.recursive or parsed.recursively_cleared:
        set_attributes(tree, add=parsed.recursive, remove=parsed.recursively_cleared, recursive=True)
    attach(tree, target)


def _change(target: str, parsed: Options) -> None:
    for propagation in parsed.propagation:
        libc.mount(None, target, None, propagation)
    if parsed.flags & REMOUNT:
        libc.mount(None, target, None, parsed.flags, ",".join(parsed.data) or None)


def clone(source: str, *, recursive: bool) -> int:
    """Return a descriptor of a detached copy of the mount ``source`` is in (open_tree(2))."""
    flags = 1 | os.O_CLOEXEC | (libc.AT_RECURSIVE if recursive else 0)
    return libc.syscall("open_tree", -100, os.fsencode(source), flags, what=source)


def attach(tree: int, target: str) -> None:
    """Attach a detached mount at ``target`` (move_mount(2)); a link there is followed."""
    libc.syscall("move_mount", tree, b"", -100, os.fsencode(target), 0x04 | 0x10, what=target)


def _adjust(tree: int, parsed: Options) -> None:
    added, removed = _attributes(parsed.flags), _attributes(parsed.cleared)
    if parsed.flags & _ATIME:
        removed |= _ATIME_ATTRIBUTES
    if not (added or removed):
        return
    try:
        set_attributes(tree, add=added, remove=removed)
    except PermissionError:
        # A user namespace may not take away what its creator locked (mount_namespaces(7)).
        set_attributes(tree, add=added)


def _attributes(flags: int) -> int:
    return sum(bit for flag, bit in _ATTRIBUTES.items() if flags & flag)


class _MountAttributes(ctypes.Structure):
    _fields_ = (("add", ctypes.c_uint64), ("remove", ctypes.c_uint64),
                ("propagation", ctypes.c_uint64), ("userns", ctypes.c_uint64))


def set_attributes(
    tree: int, *, add: int = 0, remove: int = 0, propagation: int = 0, users: int = 0, recursive: bool = False
) -> None:
    """Change the mount that ``tree`` is the root of, or every mount below it too (mount_setattr(2)).

    ``add`` and ``remove`` are MOUNT_ATTR_ bits, ``propagation`` an MS_ flag, ``users`` the descriptor of the user
    namespace that IDMAP needs. Raises Unsupported before Linux 5.12.
    """
    change = _MountAttributes(add, remove, propagation, users)
    flags = libc.AT_EMPTY_PATH | (libc.AT_RECURSIVE if recursive else 0)
    try:
        libc.syscall("mount_setattr", tree, b"", flags, change, ctypes.sizeof(change))
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        raise Unsupported("mount_setattr is not known to this kernel", "Linux 5.12 or later is needed") from error


def make_readonly(tree: int, *, recursive: bool = False) -> None:
    """Make the mount that ``tree`` is the root of read-only, or every mount below it too."""
    set_attributes(tree, add=1, recursive=recursive)


def _detached(kind: str, source: str, parsed: Options) -> int:
    """Return a descriptor of a new mount, attached nowhere (fsopen(2)); options may be longer than a page."""
    fd = libc.syscall("fsopen", kind.encode(), 1, what=kind)
    try:
        _configure(fd, "source", source or kind)
        for word in parsed.data:
            key, _, value = word.partition("=")
            if key == "lowerdir":
                for layer in _layers(value):
                    _configure(fd, "lowerdir+", layer)
            else:
                _configure(fd, key, value)
        if parsed.flags & RDONLY:
            _configure(fd, "ro", "")
        libc.syscall("fsconfig", fd, 6, None, None, 0, what=kind)
        return libc.syscall("fsmount", fd, 1, _attributes(parsed.flags), what=kind)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        raise Unsupported(f"cannot mount {kind} with these options: {_log(fd) or error.strerror}",
                          "options longer than a page need Linux 6.5 or later") from error
    finally:
        os.close(fd)


def _configure(fd: int, key: str, value: str) -> None:
    if value:
        libc.syscall("fsconfig", fd, 1, key.encode(), os.fsencode(value), 0, what=f"{key}={value}")
    else:
        libc.syscall("fsconfig", fd, 0, key.encode(), None, 0, what=key)


def _layers(value: str) -> list[str]:
    """Split a lowerdir at its colons; overlayfs escapes those that belong to a name with a backslash."""
    layers = [""]
    escaped = False
    for character in value:
        if not escaped and character == ":":
            layers.append("")
        elif not escaped and character == "\\":
            escaped = True
            continue
        else:
            layers[-1] += character
        escaped = False
    return layers


def _log(fd: int) -> str:
    """Return what the kernel noted about a failed fsconfig(2)."""
    try:
        return os.read(fd, 512).decode(errors="replace").removeprefix("e ").strip()
    except OSError:
        return ""


def mount_all(mounts: Sequence[Mount], target: str) -> None:
    """Assemble a tree at the directory ``target``. Each mount's own target is resolved inside it, never outside.

    When one fails, those before it are undone. Raises OSError, Unsupported.
    """
    done: list[str] = []
    try:
        for item in mounts:
            if not item.target.strip("/"):
                mount(item.type, item.source, target, item.options)
                done.append(target)
                continue
            done.append(_mount_inside(item, target))
    except BaseException:
        for path in reversed(done):
            unmount(path)
        raise


def _mount_inside(item: Mount, tree: str) -> str:
    root = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        spot = paths.open_in(root, item.target)
        try:
            where = os.readlink(paths.name_of(spot))
            mount(item.type, item.source, paths.name_of(spot), item.options)
        finally:
            os.close(spot)
    finally:
        os.close(root)
    return where


def mount_of(fd: int) -> str:
    """Return the id of the mount that an open file is on (proc_pid_fdinfo(5))."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith("mnt_id:"))


def unmount(target: str) -> None:
    """Detach the topmost mount at ``target``, at once; it vanishes when nothing uses it. Not mounted: done."""
    try:
        libc.umount2(target, DETACH)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
