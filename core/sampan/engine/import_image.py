"""Make an image of one layer from a snapshot of a root file system, in one pass over it."""

from __future__ import annotations

import hashlib
import io
import time
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from sampan.engine import changes as instructions
from sampan.engine import platforms, team, undo
from sampan.engine.extractor import Extracted, Extractor, Job
from sampan.engine.growing import Source
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events, Stopped
from sampan.engine.timestamps import written
from sampan.errors import Corrupt, InvalidInput, NotFound, PluginFault, Unsupported
from sampan.model import descriptor as types
from sampan.model import reference as references
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.model.image import Defaults, Image
from sampan.model.platform import Platform
from sampan.model.reference import Reference
from sampan.store import locks
from sampan.store.layers import Layer

if TYPE_CHECKING:
    from sampan.contracts.format import RootfsFormat
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation

_HEAD = 1024
_CHUNK = 1 << 20
_SECONDS_BETWEEN_REPORTS = 0.1


def import_image(
    engine: Engine,
    source: BinaryIO,
    text: str,
    *,
    message: str,
    changes: tuple[str, ...],
    platform: str,
    report: Report,
) -> Image:
    """Make an image from what ``source`` holds, in whichever snapshot format recognizes it.

    ``text`` names it, empty: it stays without a name. ``message`` is its comment, ``changes`` are Dockerfile
    instructions, ``platform`` empty means this machine's. Raises InvalidInput, Corrupt when the content makes no
    sense, OutOfSpace; then nothing stays.
    """
    reference = _name(text) if text else None
    defaults = instructions.apply(Defaults(), changes)
    wanted = platforms.wanted(platform)
    head = source.read(_HEAD)
    archive = _recognized(engine, head)
    with engine.store.journal.operation("import", lambda action: undo.undo(engine, action)) as operation:
        importing = _Import(engine, operation, report)
        with archive.read(io.BufferedReader(_Whole(head, source), _CHUNK)) as layer:
            blob, extracted = importing.take(layer)
        created = time.time()
        config = _configuration(extracted.diff_id, defaults, wanted, message or "Imported from -", written(created))
        image = importing.record(config, blob, extracted, reference, created)
    engine.plugins.image_imported(str(reference or ""), image.id)
    return image


def _name(text: str) -> Reference:
    reference = references.parse(text).with_default_tag()
    if reference.digest:
        raise InvalidInput("cannot import digest reference")
    return reference


def _recognized(engine: Engine, head: bytes) -> RootfsFormat:
    preferred = engine.settings.rootfs_format
    archive = engine.plugins.open_format(preferred)
    if archive.recognizes(head):
        return archive
    for name in engine.plugins.names("formats"):
        try:
            other = engine.plugins.open_format(name) if name != preferred else archive
        except (PluginFault, Unsupported, NotFound):
            continue  # a format that cannot be opened recognizes nothing
        if other.recognizes(head):
            return other
    raise Corrupt("the input is in no format that can be imported", "tar archives can, compressed or not")


class _Whole(io.RawIOBase):
    """A stream whose beginning has been read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        """Read the beginning first."""
        content = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)


class _Import:
    """One import's content on its way into the store."""

    def __init__(self, engine: Engine, operation: Operation, report: Report) -> None:
        self._engine = engine
        self._store = engine.store
        self._operation = operation
        self._report = report
        self._driver = engine.storage_name()
        self._key = f"{operation.id}-0"

    def take(self, layer: BinaryIO) -> tuple[Descriptor, Extracted]:
        """Keep the layer as a blob, and extract it meanwhile."""
        self._operation.plan("snapshots", self._driver, self._key)
        extractor, source, events = Extractor(self._engine), Source(), Events()
        blobs: list[Descriptor] = []
        found: list[Extracted] = []

        def stop() -> None:
            source.fail()
            extractor.kill()

        try:
            team.run(
                [lambda: blobs.append(self._store_layer(layer, source, events)),
                 lambda: found.append(self._extract(extractor, source))],
                events, self._report, stop,
            )
        finally:
            extractor.close()
            source.close()
        self._commit(found[0])
        return blobs[0], found[0]

    def _store_layer(self, layer: BinaryIO, source: Source, events: Events) -> Descriptor:
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
                    events.put(Event("", "Importing", size))
            digest = Digest("sha256:" + hasher.hexdigest())
            self._keep(digest)
            self._store.blobs.adopt(path, digest)
        source.complete()
        return Descriptor(types.OCI_LAYER, digest, size)

    def _extract(self, extractor: Extractor, source: Source) -> Extracted:
        with source.opened() as descriptors:
            if descriptors is None:
                raise Stopped
            job = Job(self._driver, self._key, None, compressed=False)
            return extractor.extract(job, *descriptors, lambda position: None)

    def _keep(self, *digests: Digest) -> None:
        self._operation.plan("blobs", *digests)
        self._operation.lease(digests)

    def _commit(self, extracted: Extracted) -> None:
        chain, store = extracted.diff_id, self._store
        self._operation.lease([chain])
        self._operation.plan("chains", self._driver, chain)
        driver = self._engine.storage(self._driver)
        with locks.exclusive(self._engine.layout, chain):
            if store.layers.get(self._driver, chain) is not None:
                driver.remove(self._key)
                return
            driver.remove(chain)  # what a killed removal left: no record tells of it
            driver.commit(self._key, chain)
            with store.database.transaction() as cursor:
                store.layers.add(cursor, Layer(self._driver, chain, None, chain, extracted.size))

    def record(
        self, config: bytes, blob: Descriptor, extracted: Extracted, reference: Reference | None, created: float
    ) -> Image:
        """Write the image's documents and put it on record."""
        manifest = _manifest(config, blob)
        image = Image(
            id=digest_of(config), manifest=digest_of(manifest), created=created, size=extracted.size, stored=created
        )
        self._keep(image.id, image.manifest)
        for document in (config, manifest):
            self._store.blobs.put(document)
        images = self._store.images
        with self._store.database.transaction() as cursor:
            images.add(cursor, image, [image.id, image.manifest, blob.digest], [extracted.diff_id])
            if reference is not None:
                images.tag(cursor, reference, image.id)
            self._operation.finish(cursor)
        return images.get(image.id)


def _configuration(diff_id: Digest, defaults: Defaults, platform: Platform, comment: str, created: str) -> bytes:
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "comment": comment,
        "config": defaults,
        "created": created,
        "history": [{"created": created, "comment": comment}],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    if platform.variant:
        document["variant"] = platform.variant
    return msgspec.json.encode(document)


def _manifest(config: bytes, layer: Descriptor) -> bytes:
    return msgspec.json.encode({
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "config": Descriptor(types.OCI_CONFIG, digest_of(config), len(config)),
        "layers": [layer],
    })
