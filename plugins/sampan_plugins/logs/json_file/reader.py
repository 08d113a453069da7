"""Read a json-file log: its last lines without reading the rest, and on while it grows and rotates."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from sampan.contracts.log import Entry
from sampan_plugins.logs.json_file import files
from sampan_plugins.logs.json_file.record import Decoder

_BLOCK = 256 * 1024
_POLL = 0.025


def read(
    where: str, since: float, until: float, tail: int, follow: Callable[[], bool] | None
) -> Iterator[Entry]:
    """Yield a log's entries as LogDriver.read says. ``tail`` counts before ``since`` and ``until`` leave any out."""
    decoder = Decoder()
    for line in _lines(where, until, tail, follow):
        entry = decoder.decode(line)
        if entry is None or entry.time < since:
            continue
        if until and entry.time > until:
            return
        yield entry


def _lines(where: str, until: float, tail: int, follow: Callable[[], bool] | None) -> Iterator[bytes]:
    path = files.find(where)
    while path is None:
        if not _wait(follow, until):
            return
        path = files.find(where)
    chain = files.open_all(path)
    try:
        _seek_tail(chain, tail)
        yield from _Chain(path, chain).lines(until, follow)
    finally:
        for fd in chain:
            os.close(fd)


class _Chain:
    """The files of a log still to be read, oldest first. The list is the caller's, who closes what is left."""

    def __init__(self, path: str, chain: list[int]) -> None:
        self._path = path
        self._chain = chain
        self._torn = b""

    def lines(self, until: float, follow: Callable[[], bool] | None) -> Iterator[bytes]:
        while True:
            # Asked before reading: what was written before the answer turned False is read below.
            more = follow is not None and follow()
            while self._chain:
                yield from self._drain(self._chain[0])
                if len(self._chain) > 1:
                    os.close(self._chain.pop(0))
                    self._torn = b""
                elif not self._continue():
                    break
            if not more:
                return
            if until and time.time() > until:
                return
            if not self._chain:
                self._chain.extend(files.open_all(self._path))
            time.sleep(_POLL)

    def _drain(self, fd: int) -> Iterator[bytes]:
        while block := os.read(fd, _BLOCK):
            lines = (self._torn + block).split(b"\n")
            self._torn = lines.pop()
            yield from lines

    def _continue(self) -> bool:
        """Take in what rotation put after the file being read; False while it is the newest.

        The caller drains that file once more, for what came between its last read and the rotation.
        """
        here = self._chain[0]
        if not files.replaced(self._path, here):
            return False
        inode = os.fstat(here).st_ino
        later = files.open_all(self._path)
        inodes = [os.fstat(fd).st_ino for fd in later]
        # Rotated out of existence: all that is left comes after it.
        seen = inodes.index(inode) + 1 if inode in inodes else 0
        for fd in later[:seen]:
            os.close(fd)
        self._chain.extend(later[seen:])
        return len(self._chain) > 1


def _wait(follow: Callable[[], bool] | None, until: float) -> bool:
    if follow is None or not follow() or (until and time.time() > until):
        return False
    time.sleep(_POLL)
    return True


def _seek_tail(chain: list[int], tail: int) -> None:
    """Set the descriptors so that the last ``tail`` lines are what remains to be read."""
    if tail < 0:
        return
    wanted = tail
    for position in range(len(chain) - 1, -1, -1):
        wanted = _seek_back(chain[position], wanted)
        if wanted <= 0:
            for fd in chain[:position]:
                os.lseek(fd, 0, os.SEEK_END)
            return


def _seek_back(fd: int, wanted: int) -> int:
    """Set a descriptor to its last ``wanted`` lines; return how many it lacks."""
    end = os.fstat(fd).st_size
    if wanted == 0:
        os.lseek(fd, end, os.SEEK_SET)
        return 0
    position = end
    newlines = wanted + 1  # the one that ends the line before the first wanted
    while position > 0:
        start = max(0, position - _BLOCK)
        block = os.pread(fd, position - start, start)
        if position == end and not block.endswith(b"\n"):
            newlines -= 1  # a torn last line counts as one
        count = block.count(b"\n")
        if count >= newlines:
            at = len(block)
            for _ in range(newlines):
                at = block.rfind(b"\n", 0, at)
            os.lseek(fd, start + at + 1, os.SEEK_SET)
            return 0
        newlines -= count
        position = start
    return max(newlines - 1, 0)
