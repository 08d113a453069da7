"""Unpack layers from blobs with a storage driver, once per chain whatever else goes on at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from threading import Event as Flag
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import team
from sampan.engine.extractor import Extracted, Extractor, Job
from sampan.engine.growing import Source
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events, Stopped
from sampan.errors import Corrupt, Unsupported
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest, chain_id, encoded
from sampan.model.image import Manifest, decode
from sampan.store import locks
from sampan.store.layers import Layer

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.image import Image
    from sampan.store.journal import Operation

_MOST_WORKERS = 4


class Step(msgspec.Struct, frozen=True):
    """One layer of an image: where it goes, and what it is unpacked from."""

    chain: Digest
    parent: Digest | None
    diff_id: Digest
    blob: Descriptor

    @property
    def name(self) -> str:
        """The twelve digits that stand for the layer in progress reports."""
        return encoded(self.blob.digest)[:12]


def steps(diff_ids: tuple[Digest, ...], blobs: tuple[Descriptor, ...]) -> list[Step]:
    """Return an image's layers, lowest first."""
    found: list[Step] = []
    for position, (diff_id, blob) in enumerate(zip(diff_ids, blobs, strict=True)):
        parent = found[-1].chain if found else None
        found.append(Step(chain_id(diff_ids[: position + 1]), parent, diff_id, blob))
    return found


def check_depth(engine: Engine, driver: str, layers: int) -> None:
    """Raise Unsupported for an image of more layers than a storage driver stacks, in Docker's words."""
    most = engine.storage(driver).capabilities.most_layers
    if most and layers > most:
        raise Unsupported("max depth exceeded", f"the storage driver {driver} stacks at most {most} layers")


def unpack(engine: Engine, image: Image, driver: str, report: Report) -> None:
    """Unpack the layers of an image that a driver lacks.

    Raises NotFound and Corrupt for what is wrong with blobs, Unsupported for too many layers.
    """
    from sampan.engine import undo

    store = engine.store
    manifest = decode(store.blobs.read(image.manifest), Manifest, f"the manifest of image {image.short_id}")
    config = store.configuration(image)
    check_depth(engine, driver, len(manifest.layers))
    lacking = [
        step for step in steps(config.rootfs.diff_ids, manifest.layers) if store.layers.get(driver, step.chain) is None
    ]
    with store.journal.operation("unpack", lambda action: undo.undo(engine, action)) as operation:
        operation.lease([step.chain for step in lacking])
        sources: dict[Digest, Source] = {}
        try:
            for step in lacking:
                source = sources[step.blob.digest] = Source()
                with store.blobs.open(step.blob.digest) as file:
                    source.begin(file.fileno())
                source.complete()
            events = Events()
            with Unpacking(engine, driver, lacking, operation, sources, events) as unpacking:
                team.run(unpacking.works, events, report, unpacking.stop)
        finally:
            for source in sources.values():
                source.close()


class Unpacking:
    """Layers being unpacked in worker processes: side by side where the driver allows, else lowest first.

    To be made before threads are started; on leaving no worker remains. The operation must hold leases on the chains.
    """

    def __init__(
        self,
        engine: Engine,
        driver: str,
        lacking: list[Step],
        operation: Operation,
        sources: Mapping[Digest, Source],
        events: Events,
    ) -> None:
        self._engine = engine
        self._driver_name = driver
        self._driver = engine.storage(driver)
        self._keys = {step.chain: f"{operation.id}-{position}" for position, step in enumerate(lacking)}
        self._sources = sources
        self._events = events
        self._commits = Lock()
        self._stopped = Flag()
        self._waiting: Iterator[Step] = iter(lacking)
        independent = self._driver.capabilities.independent_layers
        operation.plan("chains", driver, *(step.chain for step in lacking))
        operation.plan("snapshots", driver, *self._keys.values())
        count = min(len(lacking), os.cpu_count() or 1, _MOST_WORKERS) if independent else min(len(lacking), 1)
        self._extractors: list[Extractor] = []
        try:
            for _ in range(count):
                self._extractors.append(Extractor(engine))
        except BaseException:
            self._close()
            raise
        self.works = [lambda extractor=extractor: self._work(extractor) for extractor in self._extractors]

    def stop(self) -> None:
        """Give up: nothing is committed from now on."""
        self._stopped.set()
        for extractor in self._extractors:
            extractor.kill()

    def __enter__(self) -> Unpacking:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for extractor in self._extractors:
            extractor.close()

    def _work(self, extractor: Extractor) -> None:
        while (step := next(self._waiting, None)) is not None:
            # The digest of a lowest layer that is not compressed is its chain id too: their locks must not be one.
            with locks.exclusive(self._engine.layout, f"chain-{step.chain}"):
                self._check_stopped()
                if self._engine.store.layers.get(self._driver_name, step.chain) is None:
                    extracted = self._extract(extractor, step)
                    self._commit(step, extracted)
            self._events.put(Event(step.name, "Pull complete"))

    def _extract(self, extractor: Extractor, step: Step) -> Extracted:
        source = self._sources[step.blob.digest]
        with source.opened() as descriptors:
            if descriptors is None:
                raise Stopped
            self._events.put(Event(step.name, "Extracting", 0, step.blob.size))
            job = Job(self._driver_name, self._keys[step.chain], step.parent)
            try:
                extracted = extractor.extract(job, *descriptors, lambda at: self._tell(step, at))
            except Exception as error:
                # What breaks off because its download failed is no news of its own.
                if not source.wait() or self._stopped.is_set():
                    raise Stopped from error
                raise
        if not source.wait():
            raise Stopped
        if extracted.diff_id != step.diff_id:
            raise Corrupt(
                f"layer {step.blob.digest} unpacks to {extracted.diff_id} instead of {step.diff_id}, which the image's "
                "configuration names"
            )
        return extracted

    def _tell(self, step: Step, position: int) -> None:
        self._events.put(Event(step.name, "Extracting", position, step.blob.size))

    def _commit(self, step: Step, extracted: Extracted) -> None:
        layer = Layer(self._driver_name, step.chain, step.parent, step.diff_id, extracted.size)
        with self._commits:
            self._check_stopped()
            self._driver.remove(step.chain)  # what a killed removal left: no record tells of it
            self._driver.commit(self._keys[step.chain], step.chain)
            with self._engine.store.database.transaction() as cursor:
                self._engine.store.layers.add(cursor, layer)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Stopped
