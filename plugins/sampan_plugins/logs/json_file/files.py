"""Find the files of one log: ``ID-json.log`` being written, ``ID-json.log.1`` before it, and so on."""

from __future__ import annotations

import os

SUFFIX = "-json.log"


def path_of(where: str, container: str) -> str:
    """Return the path of the file that is written."""
    return os.path.join(where, container + SUFFIX)


def find(where: str) -> str | None:
    """Return the path of the one log in the directory, or None when there is none yet."""
    try:
        names = os.listdir(where)
    except FileNotFoundError:
        return None
    for name in names:
        if name.endswith(SUFFIX):
            return os.path.join(where, name)
    return None


def rotate(path: str, keep: int) -> None:
    """Make room for a new file at ``path``, keeping ``keep`` files with the new one.

    The old file is renamed or unlinked, never truncated: a reader that has it open reads it to its end.
    """
    if keep < 2:
        os.unlink(path)
        return
    for number in range(keep - 1, 1, -1):
        try:
            os.replace(f"{path}.{number - 1}", f"{path}.{number}")
        except FileNotFoundError:
            pass
    os.replace(path, f"{path}.1")


def open_all(path: str) -> list[int]:
    """Open the files of a log, oldest first, as one consistent chain even while the writer rotates."""
    while True:
        chain = _open_newest_first(path)
        inodes = [os.fstat(fd).st_ino for fd in chain]
        # A file renamed between two opens shows up twice; one that came meanwhile makes the first stale.
        if len(set(inodes)) == len(inodes) and (not chain or _inode(path) in (inodes[0], None)):
            chain.reverse()
            return chain
        for fd in chain:
            os.close(fd)


def replaced(path: str, fd: int) -> bool:
    """Tell whether the writer has moved on from the file open as ``fd``."""
    return _inode(path) not in (None, os.fstat(fd).st_ino)


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def _open_newest_first(path: str) -> list[int]:
    chain: list[int] = []
    number = 0
    while True:
        try:
            chain.append(os.open(f"{path}.{number}" if number else path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            # Between the rename of the newest file and its successor's birth only the older ones are there.
            if number:
                return chain
        number += 1
