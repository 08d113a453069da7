"""Take in a layer that is made here: keep it as a blob, and unpack it meanwhile."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from sampan.engine import team
from sampan.engine.extractor import Extracted, Extractor, Job
from sampan.engine.growing import Source
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events, Stopped
from sampan.model import descriptor as types
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.store import locks
from sampan.store.layers import Layer

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation

_CHUNK = 1 << 20
_SECONDS_BETWEEN_REPORTS = 0.1


class Taken(msgspec.Struct, frozen=True):
    """A layer that is here. ``size`` in bytes of content; ``chain`` stands for it and all below it."""

    blob: Descriptor
    diff_id: Digest
    chain: Digest
    size: int


class Intake:
    """One layer on its way into the store, on top of the chain ``parent``; ``action`` is what reports call it."""

    def __init__(
        self, engine: Engine, operation: Operation, driver: str, parent: Digest | None, action: str, report: Report
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._operation = operation
        self._driver = driver
        self._parent = parent
        self._action = action
        self._report = report
        self._key = f"{operation.id}-0"

    def take(self, layer: BinaryIO) -> Taken:
        """Read an uncompressed layer tar to its end. Raises Corrupt when it makes no sense, and OutOfSpace."""
        self._operation.plan("snapshots", self._driver, self._key)
        extractor, source, events = Extractor(self._engine), Source(), Events()
        blobs: list[Descriptor] = []
        found: list[Extracted] = []

        def stop() -> None:
            source.fail()
            extractor.kill()

        try:
            team.run(
                [lambda: blobs.append(self._keep(layer, source, events)),
                 lambda: found.append(self._extract(extractor, source))],
                events, self._report, stop,
            )
        finally:
            extractor.close()
            source.close()
        return self._commit(blobs[0], found[0])

    def _keep(self, layer: BinaryIO, source: Source, events: Events) -> Descriptor:
        hasher = hashlib.sha256()
        size, told = 0, time.monotonic()
        with self._store.blobs.temporary() as (file, path):
            source.begin(file.fileno())
            while chunk := layer.read(_CHUNK):
                hasher.update(chunk)
                file.write(chunk)
                file.flush()
                source.grew()
                size += len(chunk)
                if time.monotonic() - told > _SECONDS_BETWEEN_REPORTS:
                    told = time.monotonic()
                    events.put(Event("", self._action, size))
            digest = Digest("sha256:" + hasher.hexdigest())
            self._operation.plan("blobs", digest)
            self._operation.lease([digest])
            self._store.blobs.adopt(path, digest)
        source.complete()
        return Descriptor(types.OCI_LAYER, digest, size)

    def _extract(self, extractor: Extractor, source: Source) -> Extracted:
        with source.opened() as descriptors:
            if descriptors is None:
                raise Stopped
            job = Job(self._driver, self._key, self._parent, compressed=False)
            return extractor.extract(job, *descriptors, lambda position: None)

    def _commit(self, blob: Descriptor, extracted: Extracted) -> Taken:
        diff_id, store = extracted.diff_id, self._store
        chain = digest_of(f"{self._parent} {diff_id}".encode()) if self._parent else diff_id
        self._operation.lease([chain])
        self._operation.plan("chains", self._driver, chain)
        driver = self._engine.storage(self._driver)
        taken = Taken(blob, diff_id, chain, extracted.size)
        with locks.exclusive(self._engine.layout, chain):
            if store.layers.get(self._driver, chain) is not None:
                driver.remove(self._key)
                return taken
            driver.remove(chain)  # what a killed removal left: no record tells of it
            driver.commit(self._key, chain)
            with store.database.transaction() as cursor:
                store.layers.add(cursor, Layer(self._driver, chain, self._parent, diff_id, extracted.size))
        return taken
