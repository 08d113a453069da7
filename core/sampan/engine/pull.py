"""Pull an image: download its layers side by side, and unpack each while it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from sampan.config import RegistryHost
from sampan.engine import platforms, team, undo
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events
from sampan.engine.timestamps import seconds
from sampan.model import reference as references
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.model.image import Image, ImageConfig
from sampan.model.platform import Platform
from sampan.model.reference import Reference
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.contracts.registry import Registry
    from sampan.engine.engine import Engine
    from sampan.engine.resolve import Resolved
    from sampan.engine.unpacking import Step
    from sampan.store.journal import Operation

_DOWNLOADS = 3


class Pulled(msgspec.Struct, frozen=True):
    """What a pull came to. ``digest`` is what the reference names at the registry, an index's where there is one.

    ``fresh`` tells whether the reference named another image here before, or none.
    """

    image: Image
    reference: Reference
    digest: Digest
    fresh: bool


def pull(engine: Engine, text: str, *, platform: str, report: Report) -> Pulled:
    """Pull what a reference names, for a platform (empty: this machine's).

    Of two that pull the same at once, each layer is downloaded and unpacked by one. On any failure, and when
    interrupted, nothing new stays. Raises NotFound, Denied, Unavailable, Unsupported, Corrupt and OutOfSpace.
    """
    reference = references.parse(text).with_default_tag()
    wanted = platforms.wanted(platform)
    settings = engine.settings
    host = settings.registries.get(reference.domain, RegistryHost())
    with engine.plugins.open_registry(settings.registry, reference.repository, host) as registry:
        from sampan.engine.resolve import resolve

        resolved = resolve(registry, reference, wanted)
        report(Event(_label(reference), f"Pulling from {_shown(reference)}"))
        with engine.store.journal.operation("pull", lambda action: undo.undo(engine, action)) as operation:
            pulled = _Pull(engine, registry, reference, resolved, operation, report).run(wanted, asked=bool(platform))
    engine.plugins.image_pulled(str(reference), pulled.image.id)
    return pulled


def _label(reference: Reference) -> str:
    return reference.familiar if reference.digest else reference.version


def _shown(reference: Reference) -> str:
    """Return the repository as Docker names it here: without its registry."""
    return reference.path


class _Pull:
    """One pull, once it is known what of."""

    def __init__(
        self, engine: Engine, registry: Registry, reference: Reference, resolved: Resolved, operation: Operation,
        report: Report,
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._registry = registry
        self._reference = reference
        self._resolved = resolved
        self._operation = operation
        self._report = report

    def run(self, wanted: Platform, *, asked: bool) -> Pulled:
        """Bring here what is lacking, and record the image."""
        from sampan.engine import unpacking
        from sampan.engine.resolve import configuration

        manifest, name = self._resolved.manifest, self._reference.familiar
        self._keep(*(blob.digest for blob in (manifest.config, *manifest.layers)), self._resolved.digest)
        for document in self._resolved.documents:
            self._store.blobs.put(document)
        config = configuration(self._configuration(manifest.config), manifest, name)
        platforms.check(config, wanted, asked, name)
        steps = unpacking.steps(config.rootfs.diff_ids, manifest.layers)
        self._operation.lease([step.chain for step in steps])
        self._bring(steps)
        return self._record(config, steps)

    def _keep(self, *digests: Digest) -> None:
        # Noted and leased before they come: if we fail, they go; while we are at it, nobody removes them.
        digests = tuple(dict.fromkeys((*digests, *map(digest_of, self._resolved.documents))))
        self._operation.plan("blobs", *digests)
        self._operation.lease(digests)

    def _configuration(self, blob: Descriptor) -> bytes:
        blobs = self._store.blobs
        with locks.exclusive(self._engine.layout, blob.digest):
            if not blobs.has(blob.digest):
                with self._registry.blob(blob) as chunks:
                    for _ in blobs.ingest(blob, chunks):
                        pass
        return blobs.read(blob.digest)

    def _bring(self, steps: list[Step]) -> None:
        """Download and unpack what is lacking of the layers."""
        from sampan.engine.download import Downloads
        from sampan.engine.unpacking import Unpacking

        driver = self._engine.storage_name()
        lacking = [step for step in steps if self._store.layers.get(driver, step.chain) is None]
        absent = [step for step in steps if not self._store.blobs.has(step.blob.digest)]
        if not lacking and not absent:
            for step in steps:
                self._report(Event(step.name, "Already exists"))
            return
        self._announce(steps, lacking, absent)
        if self._engine.storage(driver).capabilities.independent_layers:
            # The largest first: what is begun last decides when all is done.
            lacking.sort(key=lambda step: step.blob.size, reverse=True)
        blobs = [step.blob for step in (*lacking, *absent)]
        events = Events()
        downloads = Downloads(self._store, self._registry, blobs, events)
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

    def _record(self, config: ImageConfig, steps: list[Step]) -> Pulled:
        resolved, reference, images = self._resolved, self._reference, self._store.images
        image = Image(
            id=resolved.manifest.config.digest, manifest=resolved.manifest_digest, created=seconds(config.created),
            size=sum(self._store.layers.size(step.chain) or 0 for step in steps), stored=time.time(),
        )
        before = images.resolve(reference)
        layers = [step.blob.digest for step in steps]
        blobs = [image.id, *layers, *map(digest_of, resolved.documents)]
        with self._store.database.transaction() as cursor:
            images.add(cursor, image, blobs, [step.chain for step in steps])
            if reference.tag and not reference.digest:
                images.tag(cursor, reference, image.id)
            images.note_digest(cursor, reference.repository, resolved.digest, image.id)
            self._operation.finish(cursor)
        return Pulled(images.get(image.id), reference, resolved.digest, before != image.id)
