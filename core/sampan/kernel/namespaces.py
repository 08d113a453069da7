"""Name the kinds of namespace, and open and enter them (namespaces(7))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sampan.errors import InvalidInput
from sampan.kernel import libc

FLAGS: Final = {
    "user": 0x10000000, "mount": 0x00020000, "pid": 0x20000000, "uts": 0x04000000,
    "ipc": 0x08000000, "network": 0x40000000, "cgroup": 0x02000000, "time": 0x00000080,
}
"""The runtime-spec's names and the CLONE_NEW flags."""

_FILES = {"mount": "mnt", "network": "net"}


def flag(kind: str) -> int:
    """Return the CLONE_NEW flag of a kind of namespace. Raises InvalidInput."""
    try:
        return FLAGS[kind]
    except KeyError:
        raise InvalidInput(f"unknown namespace type {kind!r}") from None


def path(kind: str, pid: int | str = "self") -> str:
    """Return the file below /proc that stands for a process's namespace."""
    return f"/proc/{pid}/ns/{_FILES.get(kind, kind)}"


def same(kind: str, pid: int) -> bool:
    """Tell whether the caller is in the same namespace of this kind as another process."""
    return os.stat(path(kind)).st_ino == os.stat(path(kind, pid)).st_ino


def enter(fd: int, flags: int) -> None:
    """Enter the namespace ``fd`` is open at, or several of a process at once when it is a pidfd."""
    libc.setns(fd, flags)


@contextmanager
def entered(kind: str, fd: int) -> Iterator[None]:
    """Run the block in the namespace of this kind that ``fd`` is open at, and come back. The caller has no threads."""
    home = os.open(path(kind), os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(fd, flag(kind))
        try:
            yield
        finally:
            enter(home, flag(kind))
    finally:
        os.close(home)


def create(flags: int) -> None:
    """Move the caller into new namespaces; of a new pid namespace its next child becomes the first process."""
    libc.unshare(flags)
