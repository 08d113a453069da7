"""Remove content that nothing needs any more. Everything here is possible twice, and at any time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sampan.errors import Conflict
from sampan.model.digest import Digest
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.store import Store


def blobs(engine: Engine, digests: Iterable[Digest]) -> None:
    """Remove those of the blobs that no image and no running operation needs."""
    store = engine.store
    store = engine.store
    for digest in digests:
        # Whoever brings it holds a lease, so that the lock does not matter: of two that give it up at once, the later
        # one must find it unneeded, although the earlier one still holds the lock.
        _blob(store, digest)
        with locks.exclusive(engine.layout, digest, wait=False):
            pass  # what a killed download left of it goes


def _blob(store: Store, digest: Digest) -> None:
    # Inside the transaction: nobody can come to need it between the question and the removal.
    with store.database.transaction() as cursor:
        if not store.images.needs_blob(cursor, digest):
            store.blobs.remove(digest)


def chains(engine: Engine, driver: str, lowest_first: Iterable[Digest]) -> None:
    """Remove those of a driver's layers that no image and no running operation needs, the top one first.

    A layer that a container stands on stays, on record.
    """
    for chain in reversed(list(lowest_first)):
        with locks.exclusive(engine.layout, f"chain-{chain}"):
            _chain(engine, driver, chain)


def _chain(engine: Engine, driver: str, chain: Digest) -> None:
    store = engine.store
    layer = store.layers.get(driver, chain)
    with store.database.transaction() as cursor:
        # Without a record it is what a command left that was killed before writing one: of no use to anybody.
        if layer is not None and store.images.needs_chain(cursor, chain):
            return
        store.layers.remove(cursor, driver, chain)
    try:
        engine.storage(driver).remove(chain)
    except Conflict:
        if layer is not None:
            with store.database.transaction() as cursor:
                store.layers.add(cursor, layer)


def released(engine: Engine, digests: Sequence[Digest]) -> None:
    """Remove those of the blobs, and of the layers in any driver, lowest first, that were leased and nothing needs."""
    layers = engine.store.layers
    with engine.store.database.transaction() as cursor:
        held = {chain: layers.drivers(cursor, chain) for chain in digests}
    for driver in sorted({driver for drivers in held.values() for driver in drivers}):
        chains(engine, driver, [chain for chain in digests if driver in held[chain]])
    blobs(engine, digests)


def orphans(engine: Engine, driver: str) -> None:
    """Remove every layer of a driver that no image needs: those that outlived theirs under a container."""
    from sampan.contracts.storage import Kind

    parents = {
        Digest(snapshot.key): snapshot.parent
        for snapshot in engine.storage(driver).walk()
        if snapshot.kind is Kind.COMMITTED
    }
    chains(engine, driver, sorted(parents, key=lambda chain: _depth(parents, chain)))


def _depth(parents: dict[Digest, str | None], chain: Digest) -> int:
    depth, above = 0, parents.get(chain)
    while above is not None:
        depth, above = depth + 1, parents.get(Digest(above))
    return depth
