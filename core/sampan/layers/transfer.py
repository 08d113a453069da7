"""Carry files from one tree to another as an archive, under other names and owners.

Unlike a layer, what arrives deletes nothing, and a directory never gives way to what is none, nor the other way round.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from sampan.errors import Conflict
from sampan.kernel import mount
from sampan.layers import reader
from sampan.layers.directories import clean
from sampan.layers.extract import Extraction
from sampan.layers.reader import Entry, Reader
from sampan.layers.whiteouts import Remove


def arrive(archive: BinaryIO, root: int, where: str = "", owner: tuple[int, int] | None = None) -> int:
    """Extract an uncompressed archive into the directory ``where`` of the tree whose root is open at ``root``.

    Links on the way are resolved as if that root were /. ``owner`` is a user and a group for all of it, in place of the
    archive's. Returns the bytes of file content. Raises Conflict, Corrupt, OutOfSpace and Denied.
    """
    return _Arrival(root, Remove(), _Readdressed(archive, os.fsencode(where.strip("/")), owner)).run()


class _Readdressed(Reader):
    """Reads an archive whose names are relative to a directory of the tree."""

    def __init__(self, stream: BinaryIO, where: bytes, owner: tuple[int, int] | None) -> None:
        super().__init__(stream)
        self._where = where
        self._owner = owner

    def __iter__(self) -> Iterator[Entry]:
        for entry in super().__iter__():
            if self._where:
                # Made clean first: a name that climbs must not climb out of the directory.
                entry.name = self._below(entry.name)
                if entry.kind == reader.HARDLINK:
                    entry.link = self._below(entry.link)
            if self._owner:
                entry.uid, entry.gid = self._owner
            yield entry

    def _below(self, name: bytes) -> bytes:
        return self._where + b"/" + clean(name)


class _Arrival(Extraction):
    _literal = True

    def _directory(self, entry: Entry, path: bytes, parent: bytes, base: bytes) -> None:
        if base and self._kind(parent, base) not in (0, stat.S_IFDIR):
            raise Conflict(f"cannot overwrite non-directory {_quoted(path)} with directory {_quoted(entry.name)}")
        super()._directory(entry, path, parent, base)

    def _clear(self, parent: bytes, base: bytes) -> int:
        if self._kind(parent, base) == stat.S_IFDIR:
            raise Conflict(f"cannot overwrite directory {_quoted(parent + b'/' + base)} with a non-directory")
        if self._is_mounted(parent, base):
            # Seen from another mount namespace it could be removed, and the mount with it, unasked.
            raise Conflict(f"unlinkat {_shown(parent + b'/' + base)}: device or resource busy")
        return super()._clear(parent, base)

    def _is_mounted(self, parent: bytes, base: bytes) -> bool:
        directory = self._tree.get(parent)
        try:
            found = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return False
        try:
            return mount.mount_of(found) != mount.mount_of(directory)
        finally:
            os.close(found)

    def _kind(self, parent: bytes, base: bytes) -> int:
        try:
            return stat.S_IFMT(os.stat(base, dir_fd=self._tree.get(parent), follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return 0


def _quoted(path: bytes) -> str:
    return f'"{_shown(path)}"'


def _shown(path: bytes) -> str:
    return f"/{path.strip(b'/').decode(errors='backslashreplace')}"
