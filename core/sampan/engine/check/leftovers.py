"""Find what killed commands have left that nobody needs or owns, and remove it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from sampan.contracts.storage import Kind
from sampan.engine import collect, halt, remove, undo
from sampan.engine.check import layers
from sampan.engine.check.finding import Suspicion, reason
from sampan.errors import SampanError
from sampan.model import digest as digests
from sampan.model.container import Container
from sampan.model.digest import Digest
from sampan.store import locks, owner
from sampan.store.survey import Survey, survey

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.network import Network
    from sampan.store.journal import Action

_UNKNOWN = "is of a kind nobody knows: what it would undo is looked for instead"


def look(engine: Engine) -> Iterator[Suspicion]:
    """Look through every place for what the records know nothing of."""
    yield from _notes(engine)
    yield from _files(engine)
    yield from _blobs(engine)
    yield from _layers(engine)
    yield from _snapshots(engine)
    yield from _directories(engine)
    yield from _endpoints(engine)


def _left(kind: str, name: str, problem: str, mend: Callable[[], object]) -> Suspicion:
    return Suspicion(kind=kind, name=name, problem=problem, mend=mend)


def _notes(engine: Engine) -> Iterator[Suspicion]:
    """Tell of what a killed command has left to undo and that cannot be undone."""
    for operation, actions in engine.store.journal.stuck().items():
        for action in actions:
            problem = _failure(engine, action) if action else _UNKNOWN
            if problem == _UNKNOWN:
                yield _left("note", operation, problem, partial(engine.store.journal.drop, operation))
            elif problem:
                yield Suspicion(
                    kind="note", name=operation, problem=f"cannot be carried out: {problem}",
                    remedy="every command tries again; install or enable what it needs",
                )


def _failure(engine: Engine, action: Action) -> str:
    try:
        undo.undo(engine, action)
    except undo.UnknownStep:
        return _UNKNOWN
    except (SampanError, OSError) as error:
        return reason(error)
    return ""


def _files(engine: Engine) -> Iterator[Suspicion]:
    for path in engine.store.blobs.abandoned():
        yield _left("temporary", path, "is nobody's", engine.store.blobs.sweep)
    for name in locks.abandoned(engine.layout):
        yield _left("lock", name, "is held by nobody", partial(_unlock, engine, name))


def _unlock(engine: Engine, name: str) -> None:
    with locks.exclusive(engine.layout, name, wait=False):
        pass


def _blobs(engine: Engine) -> Iterator[Suspicion]:
    here = list(engine.store.blobs.all())
    known = survey(engine.store)
    needed = known.needed()
    for digest in here:
        if not digests.is_digest(digest):
            path = engine.store.blobs.path(digest)
            yield _left("blob", digest, f"is no blob's name: {path}", partial(os.unlink, path))
        elif digest not in needed and digest not in known.in_hand:
            yield _left("blob", digest, "is part of no image", partial(collect.blobs, engine, [digest]))


def _layers(engine: Engine) -> Iterator[Suspicion]:
    known = survey(engine.store)
    needed = {chain for chains in known.chains.values() for chain in chains} | known.in_hand
    for driver, chain in known.layers:
        if chain not in needed and not _has_children(engine, driver, chain):
            yield _left(
                "layer", f"{driver} {chain}", "is part of no image",
                partial(collect.chains, engine, driver, [chain]),
            )


def _has_children(engine: Engine, driver: str, chain: Digest) -> bool:
    try:
        return any(snapshot.parent == chain for snapshot in engine.storage(driver).walk())
    except (SampanError, OSError):
        return True  # who knows


def _snapshots(engine: Engine) -> Iterator[Suspicion]:
    for driver in layers.drivers(engine, survey(engine.store)):
        try:
            keys = [one.key for one in engine.storage(driver).walk() if one.kind is Kind.ACTIVE]
        except (SampanError, OSError):
            continue  # said of the driver already
        known = survey(engine.store)
        for key in keys:
            container = key.partition(".")[0]  # what it mounts of images is called after it
            if container not in known.containers and container not in known.in_hand:
                yield _left(
                    "snapshot", f"{driver} {key}", "is being written by nobody",
                    partial(engine.storage(driver).remove, key),
                )


def _directories(engine: Engine) -> Iterator[Suspicion]:
    lasting, running = engine.layout.container(""), engine.layout.bundle("")
    found = [(lasting, name) for name in os.listdir(lasting)], [(running, name) for name in os.listdir(running)]
    known = survey(engine.store)
    for place, name in (*found[0], *found[1]):
        if name in known.containers or name in known.in_hand:
            continue
        kind = "bundle" if place == running else "directory"
        yield _left(kind, f"{place}{name}", "is of no container", partial(_remove_container, engine, name))


def _remove_container(engine: Engine, container: str) -> None:
    """Remove all there is of a container without a record, whatever it was made with."""
    for name in engine.plugins.names("runtimes"):
        try:
            engine.runtime(name).delete(container, force=True)
        except (SampanError, OSError):
            continue  # it was made with another
    halt.remove_bundle(engine.layout.bundle(container))
    remove.remove_tree(engine.layout.container(container))


def _endpoints(engine: Engine) -> Iterator[Suspicion]:
    for network in engine.store.networks.all():
        try:
            connected = list(engine.network(network.driver).endpoints(network))
        except (SampanError, OSError) as error:
            yield Suspicion(
                kind="network", name=network.name, problem=f"cannot be opened: {reason(error)}",
                remedy="what it holds cannot be checked; install or enable it",
            )
            continue
        known = survey(engine.store)
        for container in connected:
            if not _may_be_connected(known, container):
                yield _left(
                    "endpoint", f"{network.name} {container}", "is lent to nobody that runs",
                    partial(_disconnect, engine, network, container),
                )


def _may_be_connected(known: Survey, container: str) -> bool:
    record = known.containers.get(container)
    return container in known.in_hand or (record is not None and _looked_after(record))


def _looked_after(container: Container) -> bool:
    return container.alive or bool(container.monitor and owner.alive(container.monitor))


def _disconnect(engine: Engine, network: Network, container: str) -> None:
    with locks.exclusive(engine.layout, locks.of_container(container)):
        if not _may_be_connected(survey(engine.store), container):
            engine.network(network.driver).disconnect(network, container)
