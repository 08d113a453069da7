"""Give a command's bytes a place to go: a file, which is there whole or not at all, or stdout, unless a terminal."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sampan.errors import InvalidInput

_MODE = 0o600  # as Docker has it


@contextmanager
def opened(path: str | None, verb: str) -> Iterator[BinaryIO]:
    """Open the file that ``--output`` names, or stdout.

    Raises InvalidInput when stdout is a terminal, and when the file cannot be written; ``verb`` is for its message.
    """
    if path:
        with _file(path, verb) as out:
            yield out
        return
    if os.isatty(1):
        raise InvalidInput("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    sys.stdout.flush()
    with open(1, "wb", closefd=False) as out:
        yield out


@contextmanager
def _file(path: str, verb: str) -> Iterator[BinaryIO]:
    """Put a file in its place when it is whole; write to what is no regular file as it is."""
    if os.path.isdir(path):
        raise InvalidInput(f"failed to {verb}: cannot write to a directory")
    try:
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "wb") as out:
                yield out
        else:
            _sweep(path)
            with _draft(path) as out:
                yield out
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidInput(f"failed to {verb}: {path}: {reason}") from error


def _beside(path: str, pid: str = "") -> str:
    """Return the name that a process, by default this one, gives a file before it takes another's place."""
    return f"{path}.{pid or os.getpid()}.partial"


def _sweep(path: str) -> None:
    """Remove what commands left beside the file that were killed before they had renamed it."""
    directory, name = os.path.split(os.path.abspath(path))
    for found in os.listdir(directory):
        pid = found.removeprefix(f"{name}.").removesuffix(".partial")
        if pid.isdecimal() and found == _beside(name, pid) and not os.path.exists(f"/proc/{pid}"):
            os.unlink(f"{directory}/{found}")


@contextmanager
def _draft(path: str) -> Iterator[BinaryIO]:
    """Write to a file that has no name until it is whole, so that nothing is left of a killed command."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
    except OSError:  # not every file system has such files
        with _named_draft(path) as out:
            yield out
        return
    with open(descriptor, "wb") as out:
        yield out
        out.flush()
        try:
            _link(descriptor, path)
        except FileExistsError:
            beside = _beside(path)
            _link(descriptor, beside)
            os.rename(beside, path)


def _link(descriptor: int, path: str) -> None:
    # With a directory's descriptor, though it means nothing here, Python uses linkat(2), which follows the link.
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


@contextmanager
def _named_draft(path: str) -> Iterator[BinaryIO]:
    beside = _beside(path)
    try:
        with open(beside, "xb", opener=lambda name, flags: os.open(name, flags, _MODE)) as out:
            yield out
        os.rename(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise
