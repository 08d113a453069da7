"""Open files of procfs that decide on confinement, and make sure that they are (CVE-2025-52881).

Where a container can arrange that something else lies at such a path, a label or a parameter would be written there,
and the confinement be thought done.
"""

from __future__ import annotations

import os
from typing import Final

from sampan.errors import InvalidInput
from sampan.kernel import libc

_MAGIC: Final = 0x9FA0  # PROC_SUPER_MAGIC of statfs(2)


def open_to_write(path: str, *, directory: int | None = None) -> int:
    """Open a file, relative to ``directory`` if given, and return the descriptor, closed on exec.

    Raises OSError, and InvalidInput when it is not of procfs.
    """
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    if libc.filesystem(fd) != _MAGIC:
        os.close(fd)
        raise InvalidInput(f"{path} is not a file of procfs")
    return fd


def write(path: str, value: str) -> None:
    """Write a parameter. Raises as ``open_to_write``."""
    fd = open_to_write(path)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
