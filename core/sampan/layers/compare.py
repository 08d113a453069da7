"""Find what changed between two trees, or in an overlay's upper directory, by Docker's rules.

A path is modified when its type, mode, owner, device or file capabilities differ; unless it is a directory, also when
its size or time does; and a directory when anything in it changed. What was removed with a directory is not listed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from sampan.layers.directories import check_depth
from sampan.model.change import Change, ChangeKind

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 1 << 20
_MANY = 64
_GONE = (FileNotFoundError, NotADirectoryError)  # removed meanwhile, or replaced

Statuses = dict[bytes, os.stat_result]


def trees(old: str | None, new: str) -> Iterator[Change]:
    """Yield how the tree ``new`` differs from ``old``, sorted by path; all of it is added when ``old`` is None.

    The new one may change meanwhile.
    """
    found: list[Change] = []
    new_fd = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if old is None:
            _add_all(new_fd, b"/", found)
        else:
            old_fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _compare(old_fd, new_fd, b"/", found)
            finally:
                os.close(old_fd)
    finally:
        os.close(new_fd)
    return iter(sorted(found))


def overlay(lowers: Sequence[str], upper: str) -> Iterator[Change]:
    """Yield how an overlay differs from its lower directories, topmost first, sorted by path; the upper one tells.

    The lower ones must not change meanwhile; the upper one may.
    """
    found: list[Change] = []
    fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _upper(fd, b"/", [os.fsencode(lower) for lower in lowers], False, found)
    finally:
        os.close(fd)
    return iter(sorted(found))


def is_whiteout(status: os.stat_result) -> bool:
    """Tell whether this is overlayfs's mark of a deletion."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def statuses(directory: int) -> Statuses:
    """Return what is in an open directory, by name.

    A whiteout that an overlay lists, because nothing lies below its directory, is not there when asked for.
    """
    found: Statuses = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                found[os.fsencode(entry.name)] = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone meanwhile, or a whiteout
    return found


def _compare(old: int, new: int, path: bytes, found: list[Change]) -> None:
    check_depth(path)
    before, after = statuses(old), statuses(new)
    found.extend(Change(path + name, ChangeKind.DELETED) for name in before.keys() - after.keys())
    for name, status in after.items():
        was = before.get(name)
        if was is None or stat.S_ISDIR(status.st_mode) != stat.S_ISDIR(was.st_mode):
            found.append(Change(path + name, ChangeKind.ADDED if was is None else ChangeKind.MODIFIED))
            if stat.S_ISDIR(status.st_mode):
                try:
                    with opened(name, new) as inner:
                        _add_all(inner, path + name + b"/", found)
                except _GONE:
                    pass
            continue
        so_far = len(found)
        if stat.S_ISDIR(status.st_mode):
            try:
                with opened(name, old) as old_inner, opened(name, new) as new_inner:
                    _compare(old_inner, new_inner, path + name + b"/", found)
            except _GONE:
                pass
        if len(found) > so_far or differs(was, status) or (
            stat.S_ISREG(status.st_mode) and _capability(old, name) != _capability(new, name)
        ):
            found.append(Change(path + name, ChangeKind.MODIFIED))


def _add_all(directory: int, path: bytes, found: list[Change]) -> None:
    check_depth(path)
    for name, status in statuses(directory).items():
        found.append(Change(path + name, ChangeKind.ADDED))
        if stat.S_ISDIR(status.st_mode):
            try:
                with opened(name, directory) as inner:
                    _add_all(inner, path + name + b"/", found)
            except _GONE:
                pass


def _upper(directory: int, path: bytes, lowers: list[bytes], hidden: bool, found: list[Change]) -> None:
    """Compare one upper directory; ``hidden`` when it is opaque, itself or through one it is in."""
    check_depth(path)
    here = statuses(directory)
    if hidden:
        gone = _merged(lowers) - here.keys()
        found.extend(Change(path + name, ChangeKind.DELETED) for name in gone)
    present = _listed(lowers) if len(here) > _MANY else None
    for name, status in here.items():
        was, origin, below = _look_up(lowers, name) if present is None or name in present else (None, b"", [])
        if is_whiteout(status):
            if was is not None:
                found.append(Change(path + name, ChangeKind.DELETED))
            continue
        so_far = len(found)
        if stat.S_ISDIR(status.st_mode):
            try:
                with opened(name, directory) as inner:
                    opaque = hidden or _is_opaque(f"/proc/self/fd/{inner}")
                    _upper(inner, path + name + b"/", below, opaque, found)
            except _GONE:
                pass
        if was is None:
            found.append(Change(path + name, ChangeKind.ADDED))
        elif len(found) > so_far or differs(was, status) or _content_differs(origin, directory, name, status):
            found.append(Change(path + name, ChangeKind.MODIFIED))


def _listed(lowers: list[bytes]) -> set[bytes]:
    """Return every name that any of the directories has, in fewer system calls than asking for many one by one."""
    return {name for lower in lowers for name in os.listdir(lower)}


def _look_up(lowers: list[bytes], name: bytes) -> tuple[os.stat_result | None, bytes, list[bytes]]:
    """Find a name in lower directories: its status, where it is, and the directories that merge there."""
    first: os.stat_result | None = None
    origin = b""
    below: list[bytes] = []
    for lower in lowers:
        path = lower + b"/" + name
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if is_whiteout(status):
            break
        if first is None:
            first, origin = status, path
        if not stat.S_ISDIR(status.st_mode):
            break
        below.append(path)
        if _is_opaque(os.fsdecode(path)):
            break
    return first, origin, below


def _merged(lowers: list[bytes]) -> set[bytes]:
    names: set[bytes] = set()
    hidden: set[bytes] = set()
    for lower in lowers:
        with os.scandir(lower) as entries:
            here = {entry.name: is_whiteout(entry.stat(follow_symlinks=False)) for entry in entries}
        names.update(name for name, whiteout in here.items() if not whiteout and name not in hidden)
        hidden.update(name for name, whiteout in here.items() if whiteout)
    return names


def differs(was: os.stat_result, status: os.stat_result) -> bool:
    """Tell whether a path was modified as far as its status knows."""
    if (was.st_mode, was.st_uid, was.st_gid) != (status.st_mode, status.st_uid, status.st_gid):
        return True
    if stat.S_ISDIR(status.st_mode):
        return False
    return was.st_rdev != status.st_rdev or was.st_mtime_ns != status.st_mtime_ns or was.st_size != status.st_size


def _content_differs(origin: bytes, directory: int, name: bytes, status: os.stat_result) -> bool:
    """Compare what metadata does not tell apart: a file was copied up, so something may have been written to it."""
    if not stat.S_ISREG(status.st_mode):
        return False
    if _xattr(os.fsdecode(origin)) != _capability(directory, name):
        return True
    try:
        with open(os.open(name, _FILE, dir_fd=directory), "rb", 0) as new, open(origin, "rb", 0) as old:
            while piece := new.read(_PIECE):
                if piece != old.read(_PIECE):
                    return True
    except OSError:
        return True  # it is being changed right now
    return False


def _capability(directory: int, name: bytes) -> bytes | None:
    return _xattr(f"/proc/self/fd/{directory}/{os.fsdecode(name)}")


def _xattr(path: str, name: str = "security.capability") -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


def _is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


class opened:  # noqa: N801 - used as a function
    """An open directory, for the time of a block."""

    def __init__(self, name: bytes, directory: int) -> None:
        self._fd = os.open(name, _DIRECTORY, dir_fd=directory)

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
