"""Connect containers to networks, and disconnect them, whether they run or not.

Everything happens under the container's lock, which its monitor takes too when it clears up. What a running container
is connected to is what its record has endpoints of; a connection without one is half made, or half undone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import attach, events, hostfiles, networking, ports, sharing, undo
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import RUNNING, Container, Status
from sampan.model.network import Connection
from sampan.store import locks

if TYPE_CHECKING:
    import sqlite3

    from sampan.engine.engine import Engine
    from sampan.model.container import ContainerSpec
    from sampan.model.network import Endpoint, Network

_PATIENCE = 10.0
"""Seconds given to another command to finish starting the container."""
_HOST = "container cannot be disconnected from host network or connected to host network"


class _NotYet(Conflict):
    """Someone is starting the container."""


def connect(engine: Engine, text: str, connection: Connection) -> None:
    """Connect a container to a network, at once where it runs.

    Raises NotFound, and Conflict or InvalidInput, in Docker's words, for what cannot be.
    """
    container = engine.container(text)
    network = networking.resolve(engine, connection.network)
    wire = (msgspec.structs.replace(connection, network=network.name), network)
    if _patiently(lambda: _connect(engine, container.id, wire)):
        events.network(engine, network, "connect", container=container.id)


def _connect(engine: Engine, container: str, wire: networking.Wire) -> bool:
    """Connect a container; tell whether it runs."""
    _, network = wire
    named = networking.named(engine, [wire])
    # Before the lock, which the monitor takes when the container ends.
    ready = named and _open_names(engine, container)
    with (
        engine.store.journal.operation("connect", lambda action: undo.undo(engine, action)) as operation,
        locks.exclusive(engine.layout, locks.of_container(container)),
    ):
        with engine.store.database.transaction() as cursor:
            record = _lasting(engine, cursor, container)
            _check_connect(engine, record, wire)
            others = _without(record, network.name).connections
            record = engine.store.containers.change(cursor, container, spec=_with(record, (*others, wire[0])))
            if record.status not in RUNNING:
                return False
            if named and not ready:
                raise _NotYet(f"container {record.name} is being started")
            operation.plan("connection", container, network.id, network.name, cursor=cursor)
        endpoints = _plug(engine, record, wire)
        if named:
            _tell_names(engine, record)
        with engine.store.database.transaction() as cursor:
            engine.store.containers.change(cursor, container, endpoints=endpoints)
            operation.finish(cursor)
    return True


def _open_names(engine: Engine, container: str) -> bool:
    """Have a container's name service opened if it runs; tell whether it was."""
    record = engine.container(container)
    if record.status not in RUNNING or (attachment := attach.connect(engine, record)) is None:
        return False
    with attachment:
        return attachment.name_service()


def _patiently(attempt: Callable[[], bool]) -> bool:
    """Try until whoever starts the container meanwhile has done so. Raises Conflict when that takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return attempt()
        except _NotYet as error:
            if time.monotonic() > deadline:
                raise Conflict(error.message) from None
        time.sleep(0.01)


def _lasting(engine: Engine, cursor: sqlite3.Cursor, identity: str) -> Container:
    """Return a container's record. Raises Conflict while it comes or goes, and _NotYet while it is being started."""
    container = engine.store.containers.change(cursor, identity)
    if container.status in (Status.CREATING, Status.REMOVING, Status.DEAD):
        raise Conflict(
            f"container {container.id} is {container.status} and cannot be connected or disconnected to the network"
        )
    if engine.store.journal.under_way(cursor, "running", identity):
        raise _NotYet(f"container {container.name} is being started")
    return container


def _check_connect(engine: Engine, container: Container, wire: networking.Wire) -> None:
    connection, network = wire
    if engine.store.networks.named(network.id) is None:
        raise NotFound(f"network {network.name} not found")
    present = networking.networks_of(engine, container)
    unsandboxed = [one for one in present if not engine.network(one.driver).capabilities.sandboxed]
    if container.spec.network.startswith(sharing.SHARED) or unsandboxed:
        raise Conflict(
            "container sharing network namespace with another container or host cannot be connected to any other "
            "network"
        )
    if not engine.network(network.driver).capabilities.sandboxed:
        raise Conflict(_HOST)
    if container.status in RUNNING and network in present:
        raise Conflict(f"endpoint with name {container.name} already exists in network {network.name}")
    if any(other != network for other in present):
        for other in (*present, network):
            networking.refuse_several(engine, other)
    networking.check(engine, connection, network)
    if connection.links and network.default:
        raise InvalidInput("links are only supported for user-defined networks")


def disconnect(engine: Engine, text: str, network: str, *, force: bool) -> None:
    """Disconnect a container from a network, at once where it runs; ``force`` is for one that is not there any more.

    Raises NotFound and Conflict, in Docker's words.
    """
    try:
        container = engine.container(text)
    except NotFound:
        if force:
            raise NotFound(f"endpoint {text} not found") from None
        raise
    found = _found(engine, container, network)
    _patiently(lambda: _disconnect(engine, container.id, found.name if found else network, found))
    if found:
        events.network(engine, found, "disconnect", container=container.id)


def _disconnect(engine: Engine, container: str, name: str, network: Network | None) -> bool:
    """Disconnect a container; tell whether it runs."""
    identity = network.id if network else ""
    with engine.store.journal.operation("disconnect", lambda action: undo.undo(engine, action)) as operation:
        with (
            locks.exclusive(engine.layout, locks.of_container(container)),
            engine.store.database.transaction() as cursor,
        ):
            record = _lasting(engine, cursor, container)
            if name not in networking.names(record):
                raise Conflict(f"container {record.id} is not connected to network {name}")
            if network and not engine.network(network.driver).capabilities.sandboxed:
                raise Conflict(_HOST)
            if record.status in RUNNING:
                operation.plan("connection", container, identity, name, cursor=cursor)
            endpoints = tuple(one for one in record.endpoints if one.network != identity)
            engine.store.containers.change(cursor, container, endpoints=endpoints, spec=_without(record, name))
        if record.status in RUNNING:
            part(engine, container, identity, name)
    return record.status in RUNNING


def _found(engine: Engine, container: Container, network: str) -> Network | None:
    """Return a network; None where it has been removed, but not from what a container asks for."""
    try:
        return networking.resolve(engine, network)
    except NotFound:
        if network in networking.names(container):
            return None
        raise


def part(engine: Engine, container: str, network: str, name: str) -> None:
    """Undo a container's connection to a network, by its id and name, unless there is an endpoint on record.

    Possible at any time, and twice. Raises Conflict while the container is being started.
    """
    with locks.exclusive(engine.layout, locks.of_container(container)):
        try:
            with engine.store.database.transaction() as cursor:
                record = _lasting(engine, cursor, container)
                if any(one.network == network for one in record.endpoints):
                    return
                engine.store.containers.change(cursor, container, spec=_without(record, name))
        except NotFound:
            return  # whoever removed it has disconnected it
        found = engine.store.networks.named(network)
        if found:
            engine.network(found.driver).disconnect(found, container)
        if record.status in RUNNING:
            _unplug(engine, record)


def _with(container: Container, connections: Iterable[Connection]) -> ContainerSpec:
    return msgspec.structs.replace(container.spec, connections=tuple(connections))


def _without(container: Container, network: str) -> ContainerSpec:
    return _with(container, (one for one in container.spec.connections if one.network != network))


def _plug(engine: Engine, container: Container, wire: networking.Wire) -> tuple[Endpoint, ...]:
    """Connect a container that runs; return all its endpoints, in the order of its networks."""
    with _sandbox(engine, container) as sandbox:
        wires = networking.wires(engine, container)
        first = not any(one.ports for one in container.endpoints)
        publish = first and ports.publisher(engine, container.spec, wires) == wire[1]
        made = networking.connect(engine, container, wire, sandbox, publish=publish)
        known = {one.network: one for one in (*container.endpoints, made)}
        order = [network.id for _, network in wires]
        endpoints = _published(engine, container, [known[network] for network in order if network in known])
        networking.lead(sandbox, endpoints)
    _tell(engine, container, endpoints)
    return endpoints


def _unplug(engine: Engine, container: Container) -> None:
    """Have what is left of a running container's connections lead out and in, and be all that its files tell of."""
    try:
        with _sandbox(engine, container) as sandbox:
            networking.lead(sandbox, container.endpoints)
    except Conflict:
        return  # it has ended meanwhile
    _tell(engine, container, container.endpoints)
    endpoints = _published(engine, container, container.endpoints)
    if endpoints != container.endpoints:
        _put(engine, container, endpoints)


def _published(engine: Engine, container: Container, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Have a running container's ports where they would be if it started now; return the endpoints as they become.

    Before they are withdrawn the record tells so, and thus whoever finishes this after a kill.
    """
    found = {one.network: one for one in endpoints}
    wires = {wire[1].id: wire for wire in networking.wires(engine, container) if wire[1].id in found}
    target = ports.publisher(engine, container.spec, list(wires.values()))
    holder = next((one for one in endpoints if one.ports), None)
    involved = [wires[one][1] for one in {target and target.id, holder and holder.network} if one]
    if target is None or (holder and holder.network == target.id) or not _movable(engine, involved):
        return tuple(endpoints)
    if holder:
        bare = msgspec.structs.replace(holder, ports=())
        _put(engine, container, [bare if one == holder else one for one in container.endpoints])
        found[holder.network] = networking.publish(engine, container, wires[holder.network], bare, wanted=False)
    found[target.id] = networking.publish(engine, container, wires[target.id], found[target.id], wanted=True)
    return tuple(found.values())


def _movable(engine: Engine, involved: Iterable[Network]) -> bool:
    return all(engine.network(network.driver).capabilities.republishes for network in involved)


def _put(engine: Engine, container: Container, endpoints: Iterable[Endpoint]) -> None:
    with engine.store.database.transaction() as cursor:
        engine.store.containers.change(cursor, container.id, endpoints=tuple(endpoints))


@contextmanager
def _sandbox(engine: Engine, container: Container) -> Iterator[str]:
    """Hold a running container's network namespace. Raises Conflict when it is gone."""
    descriptor = sharing.open_namespace(engine, container, "network")
    try:
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _tell(engine: Engine, container: Container, endpoints: tuple[Endpoint, ...]) -> None:
    """Have /etc/hosts tell the container's addresses; whatever else has been written there stays."""
    path = f"{engine.layout.container(container.id)}/hosts"
    addresses = [address for one in endpoints for address in (one.address, one.address6) if address]
    amend(path, lambda content: hostfiles.moved(content, addresses, networking.full_names(container)))


def _tell_names(engine: Engine, container: Container) -> None:
    """Have /etc/resolv.conf lead to the name service, unless somebody else has changed it."""
    path = f"{engine.layout.container(container.id)}/resolv.conf"
    amend(path, lambda content: (
        hostfiles.resolv_conf_of(container.spec, container.endpoints, named=True)
        if content == hostfiles.resolv_conf_of(container.spec, container.endpoints, named=False) else content
    ))


def amend(path: str, change: Callable[[str], str]) -> None:
    """Change a file in its place, as the container has this very file mounted. Gone: done."""
    try:
        with open(path, "r+", encoding="utf-8", errors="surrogateescape") as file:
            content = change(file.read())
            file.seek(0)
            file.truncate()
            file.write(content)
    except FileNotFoundError:
        pass
