"""Resolve and make paths inside a directory tree that nobody vouches for (openat2(2)).

A path is resolved as if the tree's root were /: absolute links and ``..`` stay inside whatever the tree holds and
whoever changes it meanwhile. What is found is used by descriptor, never by name again.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from sampan.errors import InvalidInput
from sampan.kernel import libc

NO_MAGICLINKS: Final = 0x02
NO_SYMLINKS: Final = 0x04
IN_ROOT: Final = 0x10

_MOST_LINKS = 40  # as many as the kernel follows in one path


def open_in(root: int, path: str, flags: int = os.O_PATH, *, follow: bool = True, mode: int = 0) -> int:
    """Open ``path`` inside the tree whose root ``root`` is open at, and return the descriptor, closed on exec.

    Raises OSError; ELOOP for a symbolic link anywhere on the way when ``follow`` is false.
    """
    resolve = IN_ROOT | NO_MAGICLINKS | (0 if follow else NO_SYMLINKS)
    return libc.openat2(root, path, flags, resolve, mode)


def name_of(fd: int) -> str:
    """Return a path that means the open file itself, for calls that take only paths."""
    return f"/proc/self/fd/{fd}"


def make_directories(root: int, path: str, mode: int = 0o755) -> int:
    """Open the directory ``path`` inside the tree, made with its parents where missing. Returns an O_PATH descriptor.

    Dangling links on the way are made true. Raises NotADirectoryError when something else is in the way.
    """
    try:
        return open_in(root, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        parent, name = _walk(root, path, mode)
    try:
        return _child_directory(parent, name, mode)
    finally:
        os.close(parent)


def make_file(root: int, path: str, mode: int = 0o644) -> int:
    """Open the file ``path`` inside the tree, made empty, with its parents, where missing.

    Returns an O_PATH descriptor. Whatever exists there already, a device as well as a file, is opened as it is.
    """
    try:
        return open_in(root, path, os.O_PATH)
    except FileNotFoundError:
        parent, name = _walk(root, path, 0o755)
    try:
        os.close(os.open(name, os.O_CREAT | os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode,
                         dir_fd=parent))
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)


def open_parent(root: int, path: str) -> tuple[int, str]:
    """Open the directory that ``path`` is in, made where missing, and return it with the last name of the path.

    The last name is not a link then, unless it is one to something that exists.
    """
    return _walk(root, path, 0o755)


def _walk(root: int, path: str, mode: int) -> tuple[int, str]:
    """Follow links by hand, making the directories that are missing, up to the last name."""
    pending = _names(path)[::-1]
    trail: list[str] = []
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            del trail[-1:]
            continue
        parent = open_in(root, "/" + "/".join(trail), os.O_PATH | os.O_DIRECTORY, follow=False)
        try:
            target = _link_target(parent, name)
            if target is None:
                if not pending:
                    kept, parent = parent, -1
                    return kept, name
                os.close(_child_directory(parent, name, mode))
                trail.append(name)
                continue
        finally:
            if parent >= 0:
                os.close(parent)
        links += 1
        if links > _MOST_LINKS:
            raise InvalidInput(f"too many symbolic links in {path!r}")
        if target.startswith("/"):
            trail.clear()
        pending.extend(_names(target)[::-1])
    return open_in(root, "/" + "/".join(trail), os.O_PATH | os.O_DIRECTORY, follow=False), "."


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _link_target(parent: int, name: str) -> str | None:
    try:
        if not stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            return None
        return os.readlink(name, dir_fd=parent)
    except FileNotFoundError:
        return None


def _child_directory(parent: int, name: str, mode: int) -> int:
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        pass
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
