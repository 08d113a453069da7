"""Serialize work on one thing across processes with flock(2): released by the kernel however the holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.store.layout import Layout


@contextmanager
def exclusive(layout: Layout, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock called ``name`` (a key, a digest); yields False when ``wait`` is false and another has it.

    The lock file is removed on leaving, under the lock, so that they do not pile up.
    """
    with _held(layout, name, wait) as descriptor:
        yield descriptor is not None


@contextmanager
def held(layout: Layout, name: str) -> Iterator[int]:
    """Do the same, and give the lock's descriptor, for a process that closes those it does not know."""
    with _held(layout, name, wait=True) as descriptor:
        assert descriptor is not None
        yield descriptor


@contextmanager
def _held(layout: Layout, name: str, wait: bool) -> Iterator[int | None]:
    path = f"{layout.locks}/{name.replace('/', '_')}"
    descriptor = _acquire(path, wait)
    if descriptor is None:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.unlink(path)
        _release(descriptor)


def of_container(container: str) -> str:
    """Return the lock under which a container's run is ended, and its networks change while it lasts."""
    return f"container-{container}"


def of_execution(container: str, execution: str) -> str:
    """Return the lock that is held while a command is executed in a container."""
    return f"exec-{container}-{execution}"


def abandoned(layout: Layout) -> list[str]:
    """Return the names of locks that nobody holds: their holders were killed. Nobody is disturbed by the asking.

    One that a process is about to take looks like it for some microseconds.
    """
    found = {entry.name: entry.inode() for entry in os.scandir(layout.locks)}
    with open("/proc/locks", encoding="ascii") as file:
        held = {int(line.partition(" EOF")[0].split()[-2].rpartition(":")[2]) for line in file if "FLOCK" in line}
    return sorted(name for name, inode in found.items() if inode not in held)


def _acquire(path: str, wait: bool) -> int | None:
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass  # the one who had it before us removed the file we waited on: take the new one
        except BaseException:
            _release(descriptor)
            raise
        _release(descriptor)


def _release(descriptor: int) -> None:
    # Not by closing alone: a process that another thread forked meanwhile has the descriptor too.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
