"""Keep a storage driver's snapshots on disk: which there are, what they stand on, and where their content is.

A snapshot's record is a symbolic link, ``active/KEY`` or ``committed/KEY``, that reads ``ID/PARENT``: made, read and
renamed in one system call each, so that no half-written one can exist. Its content is below ``layers/ID``, a
directory made with it. A record that lies in ``trash`` announces content that nobody owns: it goes there before
the first byte of a snapshot is made and after its removal is decided, and leaves last, or by being renamed to
``active``. Whoever was killed in between left a record there, and the next ``prepare`` or ``remove`` of the
same key clears it away. A lock is held for looking and renaming only.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from sampan.contracts.storage import Kind, Snapshot, check_key
from sampan.errors import AlreadyExists, Conflict, NotFound, OutOfSpace
from sampan.kernel import inode_flags

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


class Record(msgspec.Struct, frozen=True):
    """A snapshot on record; ``id`` names the directory of its content."""

    key: str
    kind: Kind
    id: str
    parent: str | None


class Ledger:
    """The records of one driver below ``root``, made if need be. Several processes may use it at once."""

    def __init__(self, root: str) -> None:
        self._root = root
        if not os.path.isdir(f"{root}/layers"):
            os.makedirs(f"{root}/layers", 0o700, exist_ok=True)
            inode_flags.spread(f"{root}/layers")
        for name in ("trash", "active", "committed"):
            os.makedirs(f"{root}/{name}", 0o700, exist_ok=True)

    def content(self, identity: str) -> str:
        """Return the directory of the content with this id."""
        return f"{self._root}/layers/{identity}"

    def find(self, key: str) -> Record:
        """Return the record of a snapshot. Raises NotFound."""
        for kind in (Kind.COMMITTED, Kind.ACTIVE):
            record = self._read(kind, check_key(key))
            if record is not None:
                return record
        raise NotFound(f"no such snapshot: {key}")

    def committed(self, key: str) -> Record:
        """Return the record of a committed snapshot. Raises NotFound, also for an active one."""
        record = self._read(Kind.COMMITTED, check_key(key))
        if record is None:
            raise NotFound(f"no such committed snapshot: {key}")
        return record

    def add(self, key: str, parent: str | None, fill: Callable[[str], None]) -> None:
        """Put an active snapshot on record, its new content directory filled by ``fill``, which is given its path.

        Raises AlreadyExists, OutOfSpace, and what ``fill`` raises, having removed what it made.
        """
        self._clear(check_key(key))
        if parent is not None:
            check_key(parent)
        self._refuse(key)
        identity = self._new_id()
        announced = f"{self._root}/trash/{key}@{identity}"
        try:
            os.symlink(f"{identity}/{parent or ''}", announced)
            os.mkdir(self.content(identity), 0o700)
            fill(self.content(identity))
            with self._locked():
                self._refuse(key)
                os.rename(announced, self._path(Kind.ACTIVE, key))
        except BaseException as error:
            self._discard(announced, identity)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace(f"no space left for a snapshot in {self._root}") from error
            raise

    def commit(self, key: str, name: str) -> None:
        """Turn the active snapshot ``key`` into the committed one ``name``. Raises NotFound, AlreadyExists."""
        with self._locked():
            if self._read(Kind.ACTIVE, check_key(key)) is None:
                raise NotFound(f"no such active snapshot: {key}")
            if name != key:
                self._refuse(check_key(name))
            os.rename(self._path(Kind.ACTIVE, key), self._path(Kind.COMMITTED, name))

    def drop(self, key: str) -> None:
        """Remove a snapshot and its content. None of this key: done. Raises Conflict when it has children."""
        self._clear(check_key(key))
        with self._locked():
            try:
                record = self.find(key)
            except NotFound:
                return
            if record.kind is Kind.COMMITTED and any(other.parent == key for other in self.walk()):
                raise Conflict(f"snapshot {key} has children")
            announced = f"{self._root}/trash/{key}@{record.id}"
            os.rename(self._path(record.kind, key), announced)
        self._discard(announced, record.id)

    def walk(self) -> Iterator[Record]:
        """Yield every record once."""
        seen = set()
        # In the order a commit takes, so that one that happens meanwhile is not missed, and not told twice.
        for kind in (Kind.ACTIVE, Kind.COMMITTED):
            for key in os.listdir(f"{self._root}/{kind}"):
                record = self._read(kind, key)
                if record is not None and record.id not in seen:
                    seen.add(record.id)
                    yield record

    def _path(self, kind: Kind, key: str) -> str:
        return f"{self._root}/{kind}/{key}"

    def _read(self, kind: Kind, key: str) -> Record | None:
        try:
            identity, _, parent = os.readlink(self._path(kind, key)).partition("/")
        except FileNotFoundError:
            return None
        return Record(key, kind, identity, parent or None)

    def _refuse(self, key: str) -> None:
        if any(self._read(kind, key) is not None for kind in Kind):
            raise AlreadyExists(f"snapshot {key} exists already")

    def _new_id(self) -> str:
        # Short, for 127 of them have to fit into the options of one mount; 40 bits.
        return "".join(_DIGITS[byte % 32] for byte in os.urandom(8))

    def _clear(self, key: str) -> None:
        for name in os.listdir(f"{self._root}/trash"):
            owner, _, identity = name.rpartition("@")
            if owner == key:
                self._discard(f"{self._root}/trash/{name}", identity)

    def _discard(self, announced: str, identity: str) -> None:
        from sampan.layers import removal

        removal.remove_tree(self.content(identity))
        try:
            os.unlink(announced)
        except FileNotFoundError:
            return

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fd = os.open(f"{self._root}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def snapshot(record: Record) -> Snapshot:
    """Return what ``walk`` tells of a record."""
    return Snapshot(record.key, record.kind, record.parent)
