"""Stack layers with fuse-overlayfs, for hosts whose kernel or file system cannot do it with an overlay of its own.

One directory for each snapshot has what it changes: ``fs``, and ``work`` for the program, beside each other. The
records of who stands on whom are a ledger of Sampan's, whose changes are atomic.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from sampan import hookimpl
from sampan.contracts.storage import Kind, Snapshot, StorageCapabilities, StorageDriver, Usage
from sampan.errors import InvalidInput, NotFound, Unsupported
from sampan.layers import extract, measure, whiteouts
from sampan.model.mount import Mount
from sampan.naive.ledger import Ledger, Record, snapshot

PROGRAM = "fuse-overlayfs"


class FuseOverlay(StorageDriver):
    """The driver. Whoever mounts a snapshot starts the program, which ends with the mount."""

    capabilities = StorageCapabilities(independent_layers=True)

    def __init__(self, root: str) -> None:
        if any(character in root for character in ",:\\"):
            raise InvalidInput(f"the root {root!r} has a character that the options of {PROGRAM} cannot hold")
        self._ledger = Ledger(root)

    def prepare(self, key: str, parent: str | None) -> None:
        def fill(content: str) -> None:
            os.mkdir(f"{content}/fs", 0o755)
            os.mkdir(f"{content}/work")

        self._ledger.add(key, parent, fill)

    def mounts(self, key: str) -> Sequence[Mount]:
        record = self._ledger.find(key)
        active = record.kind is Kind.ACTIVE
        own, lowers = self._tree(record), [self._tree(lower) for lower in self._below(record)]
        if not lowers:
            return [Mount("bind", own, ("bind", "rw" if active else "ro"))]
        if active:
            work = f"{self._ledger.content(record.id)}/work"
            options = (f"lowerdir={':'.join(lowers)}", f"upperdir={own}", f"workdir={work}")
        else:
            options = ("ro", f"lowerdir={':'.join([own, *lowers])}")
        return [Mount(f"fuse.{PROGRAM}", PROGRAM, options)]

    def commit(self, key: str, name: str) -> None:
        self._ledger.commit(key, name)

    def remove(self, key: str) -> None:
        self._ledger.drop(key)

    def walk(self) -> Iterator[Snapshot]:
        return map(snapshot, self._ledger.walk())

    def stat(self, key: str) -> Snapshot:
        return snapshot(self._ledger.find(key))

    # What the engine could derive by mounting, done faster on the directories themselves

    def apply(self, key: str, layer: BinaryIO) -> int:
        record = self._ledger.find(key)
        if record.kind is not Kind.ACTIVE:
            raise NotFound(f"no such active snapshot: {key}")
        policy = whiteouts.Remove() if record.parent is None else whiteouts.Overlay()
        return extract.extract(layer, self._tree(record), policy)

    def usage(self, key: str) -> Usage:
        return Usage(*measure.tree(self._tree(self._ledger.find(key))))

    def _tree(self, record: Record) -> str:
        return f"{self._ledger.content(record.id)}/fs"

    def _below(self, record: Record) -> Iterator[Record]:
        while record.parent is not None:
            record = self._ledger.committed(record.parent)
            yield record


@hookimpl
def sampan_open_storage(root: str, options: Mapping[str, Any]) -> StorageDriver:
    """Open the driver, where the program and the kernel's device for it are there."""
    if options:
        raise InvalidInput("storage/fuse-overlayfs takes no options")
    if shutil.which(PROGRAM) is None:
        raise Unsupported(f"there is no program {PROGRAM}", f"install {PROGRAM}")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Unsupported("there is no /dev/fuse", "load the kernel's module fuse")
    return FuseOverlay(root)
