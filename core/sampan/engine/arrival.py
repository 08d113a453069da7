"""Bring an image here from wherever it is: download its layers side by side, and unpack each while it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import platforms, team
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events
from sampan.engine.timestamps import seconds
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.model.image import Image, ImageConfig
from sampan.model.platform import Platform
from sampan.store import locks

if TYPE_CHECKING:
    import sqlite3

    from sampan.contracts.origin import Origin
    from sampan.engine.engine import Engine
    from sampan.engine.resolve import Resolved
    from sampan.engine.unpacking import Step
    from sampan.store.journal import Operation

_DOWNLOADS = 3


class Arrived(msgspec.Struct, frozen=True):
    """An image whose content is here, not yet on record, and what it is made of: layer chains lowest first."""

    image: Image
    blobs: tuple[Digest, ...]
    chains: tuple[Digest, ...]


class Arrival:
    """One image on its way from an origin. ``name`` is what messages call it; the operation undoes what fails."""

    def __init__(self, engine: Engine, origin: Origin, name: str, operation: Operation, report: Report) -> None:
        self._engine = engine
        self._store = engine.store
        self._origin = origin
        self._name = name
        self._operation = operation
        self._report = report

    def bring(self, resolved: Resolved, wanted: Platform, *, asked: bool) -> Arrived:
        """Bring here what is lacking of it, checked and unpacked.

        ``asked`` tells whether the platform was asked for by name. Raises what the origin raises, Unsupported, NotFound
        for another platform than was asked for, Corrupt and OutOfSpace.
        """
        from sampan.engine import unpacking
        from sampan.engine.resolve import configuration

        manifest = resolved.manifest
        documents = tuple(map(digest_of, resolved.documents))
        parts = (manifest.config.digest, *(blob.digest for blob in manifest.layers))
        self._keep(*parts, resolved.digest, *documents)
        for document in resolved.documents:
            self._store.blobs.put(document)
        config = configuration(self._configuration(manifest.config), manifest, self._name)
        platforms.check(config, wanted, asked, self._name)
        unpacking.check_depth(self._engine, self._engine.storage_name(), len(manifest.layers))
        steps = unpacking.steps(config.rootfs.diff_ids, manifest.layers)
        self._operation.lease([step.chain for step in steps])
        self._fetch(steps, known=self._store.images.known(manifest.config.digest))
        self._store.blobs.settle()
        image = self._described(resolved, config, steps)
        return Arrived(image, (*parts, *documents), tuple(step.chain for step in steps))

    def record(self, cursor: sqlite3.Cursor, arrived: Arrived) -> None:
        """Put an image that has arrived on record; giving it names is the caller's."""
        self._store.images.add(cursor, arrived.image, arrived.blobs, arrived.chains)

    def _keep(self, *digests: Digest) -> None:
        # Noted and leased before they come: if we fail, they go; while we are at it, nobody removes them.
        digests = tuple(dict.fromkeys(digests))
        self._operation.plan("blobs", *digests)
        self._operation.lease(digests)

    def _configuration(self, blob: Descriptor) -> bytes:
        blobs = self._store.blobs
        with locks.exclusive(self._engine.layout, blob.digest):
            if not blobs.has(blob.digest):
                with self._origin.blob(blob) as chunks:
                    for _ in blobs.ingest(blob, chunks):
                        pass
        return blobs.read(blob.digest)

    def _fetch(self, steps: list[Step], *, known: bool) -> None:
        """Download and unpack what is lacking of the layers.

        Of an image already on record that lacks nothing the layers are not told, as Docker does not.
        """
        from sampan.engine.download import Downloads
        from sampan.engine.unpacking import Unpacking

        driver = self._engine.storage_name()
        lacking = [step for step in steps if self._store.layers.get(driver, step.chain) is None]
        absent = [step for step in steps if not self._store.blobs.has(step.blob.digest)]
        complete = not lacking and not absent
        if not (complete and known):
            self._announce(steps, lacking, absent)
        if complete:
            return
        if self._engine.storage(driver).capabilities.independent_layers:
            # The largest first: what is begun last decides when all is done.
            lacking.sort(key=lambda step: step.blob.size, reverse=True)
        blobs = [step.blob for step in (*lacking, *absent)]
        events = Events()
        downloads = Downloads(self._store, self._origin, blobs, events)
        try:
            with Unpacking(self._engine, driver, lacking, self._operation, downloads.sources, events) as extraction:

                def stop() -> None:
                    downloads.stop()
                    extraction.stop()

                fetchers = [downloads.work] * min(_DOWNLOADS, len(downloads.sources))
                team.run([*fetchers, *extraction.works], events, self._report, stop)
        finally:
            downloads.close()

    def _announce(self, steps: list[Step], lacking: list[Step], absent: list[Step]) -> None:
        waiting = 0
        for step in steps:
            if step not in lacking and step not in absent:
                self._report(Event(step.name, "Already exists"))
                continue
            self._report(Event(step.name, "Pulling fs layer"))
            waiting += step in absent
            if waiting > _DOWNLOADS:
                self._report(Event(step.name, "Waiting"))

    def _described(self, resolved: Resolved, config: ImageConfig, steps: list[Step]) -> Image:
        return Image(
            id=resolved.manifest.config.digest, manifest=resolved.manifest_digest, created=seconds(config.created),
            size=sum(self._store.layers.size(step.chain) or 0 for step in steps), stored=time.time(),
        )
