"""Check that the layers on record are those that the storage drivers hold; unpack again what is not whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from sampan import naive
from sampan.contracts.storage import Kind, Snapshot
from sampan.engine import undo, unpack
from sampan.engine.check import images
from sampan.engine.check.finding import Suspicion, bring_again, listed, reason, unopened
from sampan.errors import Conflict, SampanError
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.store import locks
from sampan.store.layers import Layer
from sampan.store.survey import Survey, survey

if TYPE_CHECKING:
    from sampan.contracts.storage import StorageDriver
    from sampan.engine.engine import Engine
    from sampan.engine.unpacking import Step


def drivers(engine: Engine, known: Survey) -> list[str]:
    """Return the names of the storage drivers that hold something, or may."""
    used = {name for name, _ in known.layers} | {one.storage_driver for one in known.containers.values()}
    opened = (name for name in engine.plugins.names("storage") if os.path.isdir(engine.layout.storage(name)))
    return sorted(used.union(opened))


def look(engine: Engine) -> Iterator[Suspicion]:
    """Compare each driver's committed snapshots with the records."""
    known = survey(engine.store)
    told = images.layers(engine, known)
    for name in drivers(engine, known):
        try:
            snapshots = {snapshot.key: snapshot for snapshot in engine.storage(name).walk()}
        except (SampanError, OSError) as error:
            yield unopened(name, error)
            continue
        # Asked again: what was recorded or removed while the driver told its snapshots.
        yield from _recorded(engine, name, survey(engine.store), snapshots, told)
        yield from _unrecorded(engine, name, survey(engine.store), snapshots, told)


def _recorded(
    engine: Engine, driver: str, known: Survey, snapshots: Mapping[str, Snapshot], told: Mapping[Digest, Step]
) -> Iterator[Suspicion]:
    bad: set[str] = set()
    for layer in lowest_first(known, driver):
        if _chain(layer) != layer.chain:
            yield Suspicion(
                kind="layer", name=f"{driver} {layer.chain}",
                problem="is on record with another parent or digest than its chain id stands for",
                mend=partial(_correct, engine, driver, layer.chain, told.get(layer.chain)),
            )
            continue
        problem = _fault(engine, layer, snapshots.get(layer.chain))
        if problem and layer.parent not in bad and layer.chain not in known.in_hand:
            yield suspicion(engine, driver, layer.chain, problem)
        if problem:
            bad.add(layer.chain)


def suspicion(engine: Engine, driver: str, chain: Digest, problem: str) -> Suspicion:
    """Return a layer as one that is wrong: it is to be unpacked again."""
    users = survey(engine.store).images_on(chain)
    part = f", and is part of {listed(users)}" if users else ""
    return Suspicion(
        kind="layer", name=f"{driver} {chain}", problem=problem + part,
        remedy=bring_again(users) if users else "", mend=partial(_unpack_again, engine, driver, chain),
    )


def lowest_first(known: Survey, driver: str) -> list[Layer]:
    """Return a driver's layers on record, each after the one it stands on."""
    own = {chain: layer for (name, chain), layer in known.layers.items() if name == driver}

    def depth(layer: Layer) -> int:
        seen = 0
        while layer.parent in own and seen <= len(own):
            layer, seen = own[layer.parent], seen + 1
        return seen

    return sorted(own.values(), key=depth)


def _chain(layer: Layer) -> Digest:
    return layer.diff_id if layer.parent is None else digest_of(f"{layer.parent} {layer.diff_id}".encode())


def _fault(engine: Engine, layer: Layer, snapshot: Snapshot | None) -> str:
    if snapshot is None or snapshot.kind is not Kind.COMMITTED:
        return "is on record, but not unpacked"
    if snapshot.parent != layer.parent:
        return f"stands on {snapshot.parent or 'nothing'} instead of {layer.parent or 'nothing'}"
    return _unreadable(engine.storage(layer.driver), layer.chain)


def _unreadable(driver: StorageDriver, chain: str) -> str:
    try:
        with naive.mounted(driver.mounts(chain)) as root:
            os.listdir(root)
    except (SampanError, OSError) as error:
        return f"cannot be read: {reason(error)}"
    return ""


def _unrecorded(
    engine: Engine, driver: str, known: Survey, snapshots: Mapping[str, Snapshot], told: Mapping[Digest, Step]
) -> Iterator[Suspicion]:
    for key, snapshot in snapshots.items():
        chain = Digest(key)
        if snapshot.kind is not Kind.COMMITTED or (driver, chain) in known.layers or key in known.in_hand:
            continue
        on_it = [other.key for other in snapshots.values() if other.parent == key]
        if chain not in told and on_it:
            continue  # kept for a container alone, or gone with the next one that is told
        yield Suspicion(
            kind="layer", name=f"{driver} {key}", problem="is unpacked, but not on record",
            mend=partial(_record_again, engine, driver, chain, told.get(chain)),
        )


def _correct(engine: Engine, driver: str, chain: Digest, step: Step | None) -> None:
    with locks.exclusive(engine.layout, chain), engine.store.database.transaction() as cursor:
        engine.store.layers.remove(cursor, driver, chain)
    _record_again(engine, driver, chain, step)


def _record_again(engine: Engine, driver: str, chain: Digest, step: Step | None) -> None:
    """Remove a layer that nobody recorded, or where something stands on it put it back on record: it is whole."""
    storage = engine.storage(driver)
    with locks.exclusive(engine.layout, chain):
        if engine.store.layers.get(driver, chain) is not None:
            return
        try:
            storage.remove(chain)
            return
        except Conflict:
            if step is None:
                raise
        layer = Layer(driver, chain, step.parent, step.diff_id, naive.usage(storage, chain).size)
        with engine.store.database.transaction() as cursor:
            engine.store.layers.add(cursor, layer)


def _unpack_again(engine: Engine, driver: str, chain: Digest) -> None:
    """Remove a layer with those on top of it, and unpack them. Raises Conflict while a container stands on them."""
    storage = engine.storage(driver)
    known = survey(engine.store)
    snapshots = {snapshot.key: snapshot for snapshot in storage.walk()}
    going = _with_all_above(chain, snapshots) if chain in snapshots else [chain]
    standing = [known.containers[key].name for key in going if key in known.containers]
    if standing:
        raise Conflict(f"the containers {' '.join(sorted(standing))} stand on it", "remove them and repair again")
    if any(key in snapshots and snapshots[key].kind is Kind.ACTIVE for key in going):
        raise Conflict("another command works on top of it", "try again later")
    with engine.store.journal.operation("check", lambda action: undo.undo(engine, action)) as operation:
        operation.plan("chains", driver, *going)
        for key in reversed(going):
            with locks.exclusive(engine.layout, key):
                with engine.store.database.transaction() as cursor:
                    engine.store.layers.remove(cursor, driver, Digest(key))
                storage.remove(key)
    for image in known.images_on(chain):
        unpack.ensure_unpacked(engine, image, driver)


def _with_all_above(chain: str, snapshots: Mapping[str, Snapshot]) -> list[str]:
    """Return a snapshot and those that stand on it, each before what stands on it."""
    found = [chain]
    for key in found:
        found += [other.key for other in snapshots.values() if other.parent == key]
    return found
