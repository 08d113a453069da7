"""Stack layers with the kernel's overlay file system (overlayfs.rst)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO, ClassVar

from sampan.contracts.storage import Change, Kind, Snapshot, StorageCapabilities, StorageDriver, Usage
from sampan.errors import InvalidInput, NotFound
from sampan.model.mount import Mount
from sampan.naive.ledger import Ledger, Record, snapshot
from sampan_plugins.storage.overlay2.probe import MOST_LAYERS, OPTIONS, probe


class OverlayDriver(StorageDriver):
    """One directory per snapshot with what it changes, and overlays of them.

    Content is ``layers/ID/fs``, with ``layers/ID/work`` beside it for what stands on a parent. A layer is extracted
    straight into its directory, whether what it stands on is there yet or not.
    """

    capabilities: ClassVar[StorageCapabilities] = StorageCapabilities(independent_layers=True, most_layers=MOST_LAYERS)

    def __init__(self, root: str) -> None:
        if any(character in root for character in ",:\\"):
            raise InvalidInput(f"the overlay driver's root {root!r} has a character that mount options cannot hold")
        self._ledger = Ledger(root)
        probe(root)

    def prepare(self, key: str, parent: str | None) -> None:
        """Make the directories; the parent need not exist yet."""

        def fill(content: str) -> None:
            os.mkdir(f"{content}/fs")
            os.chmod(f"{content}/fs", 0o755)
            if parent is not None:
                os.mkdir(f"{content}/work")

        self._ledger.add(key, parent, fill)

    def mounts(self, key: str) -> Sequence[Mount]:
        """Return an overlay of the chain, or a bind mount of the only layer."""
        record = self._ledger.find(key)
        own = self._tree(record)
        active = record.kind is Kind.ACTIVE
        lowers = [self._tree(lower) for lower in self._below(record)]
        if not lowers:
            return (Mount("bind", own, ("rbind", "rw" if active else "ro")),)
        if active:
            work = f"{self._ledger.content(record.id)}/work"
            stack = (f"lowerdir={':'.join(lowers)}", f"upperdir={own}", f"workdir={work}")
            return (Mount("overlay", "overlay", (*stack, *OPTIONS)),)
        return (Mount("overlay", "overlay", ("ro", f"lowerdir={':'.join([own, *lowers])}", *OPTIONS)),)

    def commit(self, key: str, name: str) -> None:
        """Freeze by renaming the record."""
        self._ledger.commit(key, name)

    def remove(self, key: str) -> None:
        """Remove the record, then the directories."""
        self._ledger.drop(key)

    def walk(self) -> Iterator[Snapshot]:
        """Yield the records."""
        return map(snapshot, self._ledger.walk())

    def stat(self, key: str) -> Snapshot:
        """Return one record."""
        return snapshot(self._ledger.find(key))

    def apply(self, key: str, layer: BinaryIO) -> int:
        """Extract without mounting: deletions become whiteouts, or nothing where there is nothing below."""
        from sampan.layers import extract, whiteouts

        record = self._active(key)
        policy = whiteouts.Overlay() if record.parent is not None else whiteouts.Remove()
        return extract.extract(layer, self._tree(record), policy)

    def changes(self, key: str) -> Iterator[Change]:
        """Read them off the snapshot's own directory."""
        from sampan.layers import compare

        record = self._ledger.find(key)
        lowers = [self._tree(lower) for lower in self._below(record)]
        return compare.overlay(lowers, self._tree(record)) if lowers else compare.trees(None, self._tree(record))

    def usage(self, key: str) -> Usage:
        """Measure the snapshot's own directory."""
        from sampan.layers import measure

        return Usage(*measure.tree(self._tree(self._ledger.find(key))))

    def _active(self, key: str) -> Record:
        record = self._ledger.find(key)
        if record.kind is not Kind.ACTIVE:
            raise NotFound(f"no such active snapshot: {key}")
        return record

    def _tree(self, record: Record) -> str:
        return f"{self._ledger.content(record.id)}/fs"

    def _below(self, record: Record) -> Iterator[Record]:
        seen = {record.key}
        while record.parent is not None:
            record = self._ledger.committed(record.parent)
            if record.key in seen:
                raise NotFound(f"snapshot {record.key} stands on itself")
            seen.add(record.key)
            yield record
