"""Measure what a directory tree occupies."""

from __future__ import annotations

import os
import stat

from sampan.layers import compare
from sampan.layers.directories import check_depth


def tree(path: str) -> tuple[int, int]:
    """Return the bytes of the files and symbolic links below a directory and the number of inodes, each counted once.

    An overlay's marks of deletions stand for nothing. Raises OSError, and Unsupported for a tree that is too deep.
    """
    inodes: dict[int, int] = {}
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _measure(root, b"", inodes)
    finally:
        os.close(root)
    return sum(inodes.values()), len(inodes)


def content(status: os.stat_result) -> int:
    """Return how many bytes a file holds: nothing but regular ones do, and symbolic links as Docker counts them."""
    return status.st_size if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) else 0


def _measure(directory: int, path: bytes, inodes: dict[int, int]) -> None:
    check_depth(path)
    for name, status in compare.statuses(directory).items():
        if compare.is_whiteout(status):
            continue
        inodes[status.st_ino] = content(status)
        if stat.S_ISDIR(status.st_mode):
            with compare.opened(name, directory) as inner:
                _measure(inner, path + name + b"/", inodes)
