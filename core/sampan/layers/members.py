"""Find where the members of an uncompressed tar archive lie in it, without reading what they hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, cast

import msgspec

from sampan.errors import Corrupt
from sampan.layers.reader import HARDLINK, REGULAR, SYMLINK, Reader

_AT_ONCE = 4096  # of a member that is passed over no more is read
_MOST = 100_000


class Member(msgspec.Struct, frozen=True):
    """A regular file, from ``offset`` in the archive on, or a link to the member or path ``link``."""

    name: bytes
    offset: int
    size: int
    symlink: bool = False
    link: bytes = b""


def members(descriptor: int) -> Iterator[Member]:
    """Yield the regular files and links of an archive, which is a regular file, in order.

    Raises Corrupt where it breaks off or makes no sense, and for one of more members than any image needs.
    """
    archive = _Archive(descriptor)
    for count, entry in enumerate(archive):
        if count == _MOST:
            raise Corrupt(f"the archive has more than {_MOST} members")
        if entry.kind == REGULAR:
            yield Member(entry.name, archive.offset, entry.size)
        elif entry.kind in (SYMLINK, HARDLINK):
            yield Member(entry.name, archive.offset, 0, entry.kind == SYMLINK, entry.link)


class _Archive(Reader):
    """A reader that jumps over content."""

    def __init__(self, descriptor: int) -> None:
        self._end = os.fstat(descriptor).st_size
        self._file = _File(descriptor)
        super().__init__(cast(BinaryIO, self._file))

    @property
    def offset(self) -> int:
        """Where the content of the entry that iteration is at begins."""
        return self._file.position - len(self._chunk) + self._pos

    def _skip(self, count: int) -> None:
        end = self.offset + count
        if end > self._end:
            raise Corrupt("layer: the archive ends inside a file")
        self._file.position, self._chunk, self._pos = end, b"", 0

    def _drain(self) -> None:
        return


class _File:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.position = 0

    def read(self, size: int) -> bytes:
        piece = os.pread(self._descriptor, min(size, _AT_ONCE), self.position)
        self.position += len(piece)
        return piece
