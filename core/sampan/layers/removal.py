"""Remove directory trees by descriptor, never through a link and however deep they are."""

from __future__ import annotations

import os
from collections.abc import Callable

_DEEPEST = 100
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(name: bytes, directory: int) -> None:
    """Remove whatever ``name`` is in the open directory, with all its content. Gone already: done."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError) as error:
        try:
            _remove_directory(name, directory)
        except NotADirectoryError:
            raise error from None  # a file that may not be removed
    except FileNotFoundError:
        return


def remove_tree(path: str) -> None:
    """Remove the tree at ``path``. Gone already: done."""
    parent, _, name = path.rstrip("/").rpartition("/")
    try:
        directory = os.open(parent or "/", _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        remove(os.fsencode(name), directory)
    finally:
        os.close(directory)


def clear(directory: int, keep: Callable[[bytes], bool]) -> None:
    """Remove what the open directory holds, save the names ``keep`` says yes to."""
    for name in _names(directory):
        if not keep(name):
            remove(name, directory)


def _remove_directory(name: bytes, directory: int) -> None:
    try:
        top = os.open(name, _DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        return
    try:
        _empty(top, top, 0)
    finally:
        os.close(top)
    try:
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        return  # someone else removes it too


def _empty(directory: int, top: int, depth: int) -> None:
    # What nests too deep for a chain of descriptors is moved to the top, to be found in another round there.
    while True:
        moved = False
        with os.scandir(directory) as entries:
            found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            try:
                if not is_directory:
                    os.unlink(name, dir_fd=directory)
                elif depth >= _DEEPEST:
                    os.rename(name, b".deep-%d-%d" % (os.stat(name, dir_fd=directory).st_ino, depth),
                              src_dir_fd=directory, dst_dir_fd=top)
                    moved = True
                else:
                    _empty_child(name, directory, top, depth)
            except FileNotFoundError:
                continue
        if depth or not (moved or _names(directory)):
            return


def _empty_child(name: bytes, directory: int, top: int, depth: int) -> None:
    child = os.open(name, _DIRECTORY, dir_fd=directory)
    try:
        _empty(child, top, depth + 1)
    finally:
        os.close(child)
    os.rmdir(name, dir_fd=directory)


def _names(directory: int) -> list[bytes]:
    return [os.fsencode(name) for name in os.listdir(directory)]
