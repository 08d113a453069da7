"""Check that every container has its writable layer and directory, and that one on record as running runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from sampan.contracts.storage import Kind, Snapshot
from sampan.engine import halt, limits, networking, recovery, remove, tree
from sampan.engine.check.finding import Suspicion, reason
from sampan.errors import Conflict, SampanError
from sampan.model.container import Container, Status
from sampan.store import owner
from sampan.store.survey import Survey, survey

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_UNFINISHED = (Status.CREATING, Status.REMOVING)


def look(engine: Engine) -> Iterator[Suspicion]:
    """Look at each container on record, having buried those whose monitor was killed, as every command does."""
    recovery.reconcile(engine)
    known = survey(engine.store)
    for container in known.containers.values():
        if container.id in known.in_hand:
            continue
        if container.status in _UNFINISHED:
            yield Suspicion(
                kind="container", name=container.name, problem=f"is {container.status}, by nobody",
                mend=partial(remove.discard, engine, container.id),
            )
            continue
        yield from _check_content(engine, known, container)
        yield from _check_networks(engine, container)
        yield from _check_run(engine, container) if container.alive else _check_rest(engine, container)


def _check_content(engine: Engine, known: Survey, container: Container) -> Iterator[Suspicion]:
    problem, remedy = "", f"what it wrote cannot be had: sampan rm -f {container.name}"
    try:
        engine.storage(container.storage_driver)
    except (SampanError, OSError) as error:
        problem, remedy = f"cannot be read: {reason(error)}", "install or enable the storage driver that has it"
    if problem := problem or _fault(engine, known, container):
        yield Suspicion(
            kind="container", name=container.name, problem=f"its writable layer {problem}", remedy=remedy
        )
    directory = engine.layout.container(container.id)
    if not os.path.isdir(directory):
        yield Suspicion(
            kind="container", name=container.name, problem=f"its directory {directory} is gone, and its log with it",
            mend=partial(os.makedirs, directory, 0o700, exist_ok=True),
        )


def _fault(engine: Engine, known: Survey, container: Container) -> str:
    try:
        storage = engine.storage(container.storage_driver)
        snapshot = storage.stat(container.id)
        if snapshot.kind is not Kind.ACTIVE:
            return "cannot be written"
        if not _stands_right(known, container, snapshot):
            return f"stands on {snapshot.parent or 'nothing'}, which is not its image's last layer"
        with tree.opened(engine, container) as root:
            os.listdir(root)
    except Conflict:
        return ""  # whoever is at work on it can read it
    except (SampanError, OSError) as error:
        return f"cannot be read: {reason(error)}"
    return ""


def _stands_right(known: Survey, container: Container, snapshot: Snapshot) -> bool:
    chains = known.chains.get(container.image_id)
    return chains is None or snapshot.parent == (chains[-1] if chains else None)


def _check_networks(engine: Engine, container: Container) -> Iterator[Suspicion]:
    for name in networking.names(container):
        if engine.store.networks.named(name) is None and name not in engine.plugins.names("network"):
            yield Suspicion(
                kind="container", name=container.name, problem=f"is to be on network {name}, which is gone",
                remedy=f"sampan network disconnect {name} {container.name}",
            )


def _check_run(engine: Engine, container: Container) -> Iterator[Suspicion]:
    """Check one on record as running; its monitor lives, or it could not be buried."""
    missing = []
    if not owner.alive(container.monitor):
        missing.append("its monitor")
    elif container.status is Status.RESTARTING:
        return  # between two runs
    if not os.path.isdir(engine.layout.bundle(container.id)):
        missing.append("its bundle")
    try:
        runtime = engine.runtime(container.runtime)
        if not runtime.pids(container.id):
            missing.append("its processes")
        if runtime.capabilities.cgroup and not _has_cgroup(container):
            missing.append("its control group")
    except SampanError as error:
        missing.append(f"its runtime ({error.message})")
    missing += _unsound(engine, container)
    missing += [f"its endpoint on network {name}" for name in _lost(engine, container)]
    if missing:
        yield Suspicion(
            kind="container", name=container.name, problem=f"is on record as {container.status} without "
            + " and ".join(missing), remedy=f"sampan rm -f {container.name}",
        )


def _unsound(engine: Engine, container: Container) -> Iterator[str]:
    """Yield what drivers say is wrong with a running container's connections."""
    for endpoint in container.endpoints:
        network = engine.store.networks.named(endpoint.network)
        try:
            fault = engine.network(network.driver).fault(network, container.id) if network else ""
        except SampanError as error:
            fault = error.message
        if network and fault:
            yield f"a sound connection to network {network.name} ({fault})"


def _lost(engine: Engine, container: Container) -> Iterator[str]:
    """Yield the names of networks that a running container is on by its record, but not by theirs or their driver's."""
    for endpoint in container.endpoints:
        network = engine.store.networks.named(endpoint.network)
        try:
            if network is None:
                yield endpoint.network[:12]
                continue
            driver = engine.network(network.driver)
            if driver.capabilities.addressed and container.id not in driver.endpoints(network):
                yield network.name
        except SampanError:
            continue  # that it cannot be opened is said of the network


def _check_rest(engine: Engine, container: Container) -> Iterator[Suspicion]:
    """Check that nothing is left of the last run of one that does not run."""
    if container.monitor and owner.alive(container.monitor):
        return  # it is being started, or ends
    left = []
    if os.path.exists(engine.layout.bundle(container.id)):
        left.append("its bundle")
    if _has_cgroup(container):
        left.append("its control group")
    if container.id in _connected(engine, container):
        left.append("its network endpoint")
    if left:
        yield Suspicion(
            kind="container", name=container.name, problem=f"does not run, but has left {' and '.join(left)}",
            mend=partial(halt.halt, engine, container),
        )
    if container.status is Status.EXITED and container.expires:
        yield Suspicion(
            kind="container", name=container.name, problem="was to be removed at its end, and is still here",
            mend=partial(remove.expire, engine, container.id),
        )


def _connected(engine: Engine, container: Container) -> Iterator[str]:
    for network in networking.networks_of(engine, container):
        try:
            yield from engine.network(network.driver).endpoints(network)
        except SampanError:
            continue  # that it cannot be opened is said of the network


def _has_cgroup(container: Container) -> bool:
    try:
        group = limits.group(container)
    except SampanError:
        return False
    return any(map(os.path.isdir, group.directories.values()))
