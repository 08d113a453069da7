"""Remove directory trees by descriptor, never through a link and however deep they are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack

_DEEPEST = 100
_WORTH_SHARING = 8
"""So many directories make it worth to have threads remove them."""
_ENOUGH = 64
_THREADS = 4
Works = deque[tuple[int, bytes]]
"""Directories still to be removed: in which open one, and under which name."""
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
    """Remove the tree at ``path``, a large one by several threads. Gone already: done."""
    parent, _, name = path.rstrip("/").rpartition("/")
    try:
        directory = os.open(parent or "/", _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        _thin_out(os.fsencode(name), directory)
        remove(os.fsencode(name), directory)
    finally:
        os.close(directory)


def clear(directory: int, keep: Callable[[bytes], bool]) -> None:
    """Remove what the open directory holds, save the names ``keep`` says yes to."""
    for name in _names(directory):
        if not keep(name):
            remove(name, directory)


def _thin_out(name: bytes, directory: int) -> None:
    """Have threads remove most of a large tree: the kernel lets them work in different directories at once.

    More of them than there are processors, for they mostly wait: for the disk, to be told of blocks that are free.
    """
    with ExitStack() as stack:
        works: Works = deque()
        try:
            _subtrees(name, directory, works, stack)
        except OSError:
            pass  # no directory, or it is going: what can be known of that, the removal of the rest will tell
        if len(works) >= _WORTH_SHARING:
            _share(works)


def _subtrees(name: bytes, directory: int, works: Works, stack: ExitStack) -> None:
    """Find directories of which none is below another, going down until there are enough."""
    inner = deque([(directory, name)])
    while inner and len(works) + len(inner) < _ENOUGH:
        parent, name = inner.popleft()
        child = os.open(name, _DIRECTORY, dir_fd=parent)
        stack.callback(os.close, child)
        with os.scandir(child) as entries:
            below = [(child, os.fsencode(entry.name)) for entry in entries if entry.is_dir(follow_symlinks=False)]
        inner += below
        if not below:
            works.append((parent, name))
    works += inner


def _share(works: Works) -> None:
    from threading import Thread

    threads = [Thread(target=_work, args=(works,)) for _ in range(_THREADS - 1)]
    try:
        for thread in threads:
            thread.start()
        _work(works)
    finally:  # the descriptors must outlive the threads
        works.clear()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _work(works: Works) -> None:
    while works:
        try:
            directory, name = works.popleft()
            remove(name, directory)
        except (IndexError, OSError):
            continue  # another took the last; or whoever removes the rest will meet the same, and tell


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
