"""Check that the volumes on record are those that the volume drivers have, and that containers find theirs."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from sampan.engine import undo, volume_use, volumes
from sampan.engine.check.finding import Suspicion, unopened
from sampan.errors import SampanError
from sampan.model.volume import VolumeRecord
from sampan.store import locks
from sampan.store.survey import survey

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container

_HEX = frozenset("0123456789abcdef")


def look(engine: Engine) -> Iterator[Suspicion]:
    """Compare what each driver has with the records, and what containers use."""
    for driver in _drivers(engine):
        try:
            kept = set(engine.volumes(driver).walk())
        except (SampanError, OSError) as error:
            yield unopened(driver, error)
            continue
        yield from _compared(engine, driver, kept)
    yield from _used(engine)


def _drivers(engine: Engine) -> list[str]:
    """Return the names of the volume drivers that hold something here, or may."""
    used = {record.driver for record in engine.store.volumes.all()}
    opened = (name for name in engine.plugins.names("volumes") if os.path.isdir(engine.layout.volumes(name)))
    return sorted(used.union(opened))


def _compared(engine: Engine, driver: str, kept: Collection[str]) -> Iterator[Suspicion]:
    recorded = {record.name: record for record in engine.store.volumes.all()}
    in_hand = survey(engine.store).in_hand
    for name, record in recorded.items():
        if record.driver == driver and name not in kept and name not in in_hand:
            yield Suspicion(
                kind="volume", name=name, problem=f"is on record, but {driver} has it no more",
                mend=partial(_make_again, engine, record),
            )
    for name in sorted(set(kept) - in_hand):
        if name not in recorded:
            yield Suspicion(
                kind="volume", name=name, problem=f"is kept by {driver}, but not on record",
                mend=partial(_adopt, engine, driver, name),
            )


def _make_again(engine: Engine, record: VolumeRecord) -> None:
    """Make an empty one."""
    with locks.exclusive(engine.layout, volumes.lock(record.name)):
        if engine.store.volumes.find(record.name):
            engine.volumes(record.driver).create(record.name, record.options)


def _adopt(engine: Engine, driver: str, name: str) -> None:
    """Put a volume on record: whether it may go nobody knows here. One named as nobody would is anonymous."""
    with locks.exclusive(engine.layout, volumes.lock(name)):
        if engine.store.volumes.find(name) or name not in engine.volumes(driver).walk():
            return
        anonymous = len(name) == 64 and _HEX.issuperset(name)
        record = VolumeRecord(name=name, driver=driver, created=time.time(), maker="check", anonymous=anonymous)
        with engine.store.database.transaction() as cursor:
            engine.store.volumes.add(cursor, record)


def _used(engine: Engine) -> Iterator[Suspicion]:
    recorded = {record.name for record in engine.store.volumes.all()}
    known = survey(engine.store)
    for container in known.containers.values():
        if container.id in known.in_hand:
            continue
        for name in sorted(volumes.used(container) - recorded - known.in_hand):
            yield Suspicion(
                kind="container", name=container.name, problem=f"uses volume {name}, which is gone",
                mend=partial(_make_for, engine, container),
            )


def _make_for(engine: Engine, container: Container) -> None:
    """Make empty ones, as they were asked for when the container was created."""
    with engine.store.journal.operation("check", lambda action: undo.undo(engine, action)) as operation:
        for wanted in volume_use.wanted(engine, operation, container):
            volumes.ensure(engine, wanted)
