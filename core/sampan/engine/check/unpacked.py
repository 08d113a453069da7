"""Unpack every layer a second time and compare: the deep check of what storage drivers hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sampan import naive
from sampan.engine import undo
from sampan.engine.check import images, layers
from sampan.engine.check.finding import Suspicion, reason
from sampan.engine.extractor import Extractor, Job
from sampan.engine.growing import Source
from sampan.errors import SampanError
from sampan.layers import identity
from sampan.store import locks
from sampan.store.survey import survey

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.engine.unpacking import Step

_MOST_TOLD = 3


def look(engine: Engine) -> Iterator[Suspicion]:
    """Compare each recorded layer with what its blob unpacks to, on the same parent; needs room for the largest."""
    known = survey(engine.store)
    told = images.layers(engine, known)
    names = sorted({name for name, _ in known.layers})
    held = [(name, told[own.chain]) for name in names for own in layers.lowest_first(known, name)
            if own.chain in told]
    if not held:
        return
    bad: set[tuple[str, str | None]] = set()
    extractor = Extractor(engine)
    try:
        for driver, step in held:
            if (driver, step.parent) in bad:
                bad.add((driver, step.chain))  # what it would be compared with is not right itself
            elif problem := _compared(engine, extractor, driver, step):
                bad.add((driver, step.chain))
                yield layers.suspicion(engine, driver, step.chain, problem)
    finally:
        extractor.close()


def _compared(engine: Engine, extractor: Extractor, driver: str, step: Step) -> str:
    """Return how a layer differs; empty when it does not, or what is wrong is said of its blob or its record."""
    with engine.store.journal.operation("check", lambda action: undo.undo(engine, action)) as operation:
        operation.lease([step.chain, step.blob.digest])
        storage, key = engine.storage(driver), f"{operation.id}-0"
        operation.plan("snapshots", driver, key)
        try:
            with locks.exclusive(engine.layout, step.chain):
                if engine.store.layers.get(driver, step.chain) is None:
                    return ""
                _extract(engine, extractor, driver, key, step)
            with naive.mounted(storage.mounts(key)) as expected, naive.mounted(storage.mounts(step.chain)) as found:
                paths = list(islice(identity.differences(expected, found), _MOST_TOLD + 1))
        except (SampanError, OSError) as error:
            return "" if _is_told(engine, step) else f"cannot be compared: {reason(error)}"
        finally:
            storage.remove(key)
    if not paths:
        return ""
    shown = " ".join(os.fsdecode(path) for path in paths[:_MOST_TOLD])
    return f"differs from its blob at {shown}{' and more' if len(paths) > _MOST_TOLD else ''}"


def _extract(engine: Engine, extractor: Extractor, driver: str, key: str, step: Step) -> None:
    source = Source()
    try:
        with engine.store.blobs.open(step.blob.digest) as file:
            source.begin(file.fileno())
        source.complete()
        with source.opened() as descriptors:
            assert descriptors is not None
            extractor.extract(Job(driver, key, step.parent), *descriptors, lambda position: None)
    finally:
        source.close()


def _is_told(engine: Engine, step: Step) -> bool:
    from sampan.engine.check.blobs import fault

    return bool(fault(engine.store.blobs, step.blob.digest, step.blob.size))
