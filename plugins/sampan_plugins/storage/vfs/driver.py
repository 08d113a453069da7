"""Keep every snapshot as a full copy, on any file system; shared blocks where it can clone files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from sampan.contracts.storage import Kind, Snapshot, StorageDriver
from sampan.model.mount import Mount
from sampan.naive.ledger import Ledger, snapshot


class VfsDriver(StorageDriver):
    """Copies. What differs from a parent is found by comparing (``sampan.naive``)."""

    def __init__(self, root: str) -> None:
        self._ledger = Ledger(root)

    def prepare(self, key: str, parent: str | None) -> None:
        """Copy the parent's tree, or start empty."""
        origin = None if parent is None else self._tree(self._ledger.committed(parent).id)

        def fill(content: str) -> None:
            os.mkdir(f"{content}/fs", 0o755)
            os.chmod(f"{content}/fs", 0o755)
            if origin is not None:
                from sampan.kernel.copying import copy_tree

                copy_tree(origin, f"{content}/fs")

        self._ledger.add(key, parent, fill)

    def mounts(self, key: str) -> Sequence[Mount]:
        """Return a bind mount of the copy."""
        record = self._ledger.find(key)
        access = "rw" if record.kind is Kind.ACTIVE else "ro"
        return (Mount("bind", self._tree(record.id), ("rbind", access)),)

    def commit(self, key: str, name: str) -> None:
        """Freeze by renaming the record."""
        self._ledger.commit(key, name)

    def remove(self, key: str) -> None:
        """Remove the copy. Nothing depends on it, but its children name it."""
        self._ledger.drop(key)

    def walk(self) -> Iterator[Snapshot]:
        """Yield the records."""
        return map(snapshot, self._ledger.walk())

    def stat(self, key: str) -> Snapshot:
        """Return one record."""
        return snapshot(self._ledger.find(key))

    def _tree(self, identity: str) -> str:
        return f"{self._ledger.content(identity)}/fs"
