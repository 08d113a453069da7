"""Give containers the networks they ask for: settle which, connect them for a run, and undo that."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import events, ports
from sampan.engine.sharing import SHARED
from sampan.errors import Conflict, InvalidInput, NotFound, Unavailable
from sampan.kernel import netns, routes
from sampan.model.network import Connection, Endpoint, EndpointRequest, Network

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container, ContainerSpec

DEFAULT = "default"
"""What the default network, whichever that is, can be called besides by its name."""

Wire = tuple[Connection, Network]
"""What a container asks of a network, and the network."""


def resolve(engine: Engine, name: str) -> Network:
    """Return a network by name, id or unique beginning of an id; of those each driver has, by the driver's name.

    Raises NotFound, and InvalidInput when the beginning fits several.
    """
    if name in ("", DEFAULT):
        name = engine.settings.network
    found = engine.store.networks.named(name)
    if found and found.default and found.id == found.name:
        return _renewed(engine, found)
    if found is None and predefined(engine, name):
        return engine.store.networks.settle(
            Network(id=os.urandom(32).hex(), name=name, driver=name, created=time.time())
        )
    return found or engine.store.networks.find(name)


def _renewed(engine: Engine, network: Network) -> Network:
    """Give a default network that has its name for an id, as it once was, one like others' unless somebody is on it."""
    try:
        engine.network(network.driver).remove(network)
    except Conflict:
        return network
    with engine.store.database.transaction() as cursor:
        engine.store.networks.remove(cursor, network.id)
    return resolve(engine, network.name)


def predefined(engine: Engine, name: str) -> bool:
    """Tell whether a driver has a network of this name without anybody's asking."""
    return name in engine.plugins.names("network") and engine.network(name).capabilities.predefined


def settle(engine: Engine, spec: ContainerSpec) -> tuple[ContainerSpec, str]:
    """Return the spec with every network by its name, and the driver of the first.

    Raises NotFound, InvalidInput and Conflict, in Docker's words, for what cannot be.
    """
    if spec.network.startswith(SHARED):
        _check_shared(spec)
        other = engine.container(spec.network.removeprefix(SHARED))
        return msgspec.structs.replace(spec, network=f"{SHARED}{other.id}", connections=()), other.network_driver
    asked = spec.connections
    if not asked or (spec.network and spec.network not in [one.network for one in asked]):
        asked = (Connection(network=spec.network), *asked)
    wires = [(one, resolve(engine, one.network)) for one in asked]
    for connection, network in wires:
        check(engine, connection, network)
    if len(wires) > 1:
        for _, network in wires:
            refuse_several(engine, network)
    ports.publisher(engine, spec, wires)
    chosen = [network.name for _, network in wires]
    if len(chosen) > len(set(chosen)):
        twice = next(name for name in chosen if chosen.count(name) > 1)
        raise InvalidInput(f'network "{twice}" is specified multiple times')
    connections = tuple(msgspec.structs.replace(one, network=network.name) for one, network in wires)
    return msgspec.structs.replace(spec, network=chosen[0], connections=connections), wires[0][1].driver


def _check_shared(spec: ContainerSpec) -> None:
    asked, *others = spec.connections or (Connection(network=spec.network),)
    if others:
        raise Conflict("a container that shares another's network cannot be connected to networks of its own")
    if not spec.network.removeprefix(SHARED):
        raise InvalidInput("Invalid network mode: invalid container format container:<name|id>")
    conflicts = {
        "hostname": spec.hostname, "dns": spec.dns or spec.dns_search or spec.dns_options,
        "custom host-to-IP mapping": spec.extra_hosts, "mac-address": asked.mac,
    }
    for what, given in conflicts.items():
        if given:
            raise InvalidInput(f"conflicting options: {what} and the network mode")
    if asked.aliases or asked.address or asked.address6:
        raise InvalidInput("conflicting options: addresses, aliases and the network mode")


def check(engine: Engine, connection: Connection, network: Network) -> None:
    """Raise InvalidInput when a network cannot give what is asked of it, as Docker has it."""
    addressed = engine.network(network.driver).capabilities.addressed
    if addressed and not network.default:
        for address in filter(None, (connection.address, connection.address6)):
            if not any(pool.ipv6 == (":" in address) and not pool.automatic for pool in network.pools):
                raise InvalidInput(
                    "user specified IP address is supported only when connecting to networks with user configured "
                    "subnets"
                )
        return
    if connection.address or connection.address6:
        raise InvalidInput("user specified IP address is supported on user defined networks only")
    if connection.aliases:
        raise InvalidInput("network-scoped aliases are only supported for user-defined networks")


def refuse_several(engine: Engine, network: Network) -> None:
    """Raise Conflict unless a container on this network can be on others too."""
    capabilities = engine.network(network.driver).capabilities
    if not capabilities.sandboxed:
        raise Conflict(f"container cannot be connected to {network.name} network and to others")
    if not capabilities.addressed:
        raise Conflict(
            "container cannot be connected to multiple networks with one of the networks in private "
            f"({network.name}) mode"
        )


def names(container: Container) -> list[str]:
    """Return the names of the networks that a container is to be on."""
    return [one.network for one in container.spec.connections]


def hostname(container: Container, *, sandboxed: bool = True) -> str:
    """Return a container's host name: its own, or its short id; the host's where it is in no network of its own."""
    return container.spec.hostname or (container.short_id if sandboxed else os.uname().nodename)


def full_names(container: Container, *, sandboxed: bool = True) -> tuple[str, ...]:
    """Return the names by which a container finds itself in /etc/hosts."""
    name, domain = hostname(container, sandboxed=sandboxed), container.spec.domainname
    return (f"{name}.{domain}" if domain else name,)


def wires(engine: Engine, container: Container) -> list[Wire]:
    """Return the networks to connect a container to; the one that the default route should lead by is the first.

    Raises NotFound when one of them is gone.
    """
    return sorted(wires_of(engine, container.spec), key=lambda wire: (-wire[0].priority, wire[1].name))


def wires_of(engine: Engine, spec: ContainerSpec) -> list[Wire]:
    """Return the networks of a spec that is settled, in the order they were asked for. Raises as ``wires``."""
    return [(one, resolve(engine, one.network)) for one in spec.connections]


def sandboxed(engine: Engine, found: Iterable[Wire]) -> bool:
    """Tell whether a container on these networks has a network namespace of its own."""
    return all(engine.network(network.driver).capabilities.sandboxed for _, network in found)


def addressed(engine: Engine, found: Iterable[Wire]) -> bool:
    """Tell whether any of these networks gives addresses."""
    return any(engine.network(network.driver).capabilities.addressed for _, network in found)


def named(engine: Engine, found: Iterable[Wire]) -> bool:
    """Tell whether containers find each other by their names on any of these networks."""
    return addressed(engine, [wire for wire in found if not wire[1].default])


def connect_all(engine: Engine, container: Container, found: Sequence[Wire], sandbox: str | None) -> list[Endpoint]:
    """Connect a container's new sandbox to each network in turn, and set its default routes."""
    publisher = ports.publisher(engine, container.spec, found)
    endpoints = [connect(engine, container, wire, sandbox, publish=wire[1] is publisher) for wire in found]
    if sandbox is not None and endpoints:
        lead(sandbox, endpoints)
    return endpoints


def connect(
    engine: Engine, container: Container, wire: Wire, sandbox: str | None, *, publish: bool = False
) -> Endpoint:
    """Connect a container's sandbox to a network, and ``publish`` its ports by it; the default routes stay."""
    _, network = wire
    request = _request(container, wire, os.urandom(32).hex(), publish=publish)
    found = engine.network(network.driver).connect(network, sandbox, request)
    endpoint = engine.plugins.answer("network", network.driver, "connect", found, Endpoint)
    return msgspec.structs.replace(endpoint, id=request.id)


def _request(container: Container, wire: Wire, endpoint: str, *, publish: bool) -> EndpointRequest:
    connection, _ = wire
    return EndpointRequest(
        container=container.id, id=endpoint, name=container.name, hostname=hostname(container),
        address=connection.address, address6=connection.address6, link_local=connection.link_local,
        mac=connection.mac, aliases=connection.aliases, options=connection.options,
        ports=ports.wanted(container.spec) if publish else (),
    )


def publish(engine: Engine, container: Container, wire: Wire, endpoint: Endpoint, *, wanted: bool) -> Endpoint:
    """Have a connected container's ports published by a network, or not any more. Raises what the driver raises."""
    _, network = wire
    request = _request(container, wire, endpoint.id, publish=wanted)
    return msgspec.structs.replace(endpoint, ports=engine.network(network.driver).publish(network, request))


def lead(sandbox: str, endpoints: Sequence[Endpoint]) -> None:
    """Set the sandbox's default routes by the first endpoint of each family that has a gateway. Raises Unavailable."""
    with netns.entered(sandbox), _told():
        for family, gateway in ((socket.AF_INET, "gateway"), (socket.AF_INET6, "gateway6")):
            chosen = next((one for one in endpoints if getattr(one, gateway)), None)
            if chosen is None:
                routes.end(family)
            else:
                routes.lead(getattr(chosen, gateway), chosen.interface)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the default route cannot be set: {error.strerror}") from error


def note(engine: Engine, container: Container, action: str) -> None:
    """Note for ``events`` that a container has been connected to all its networks, or disconnected."""
    for endpoint in container.endpoints:
        network = engine.store.networks.named(endpoint.network)
        if network:
            events.network(engine, network, action, container=container.id)


def disconnect(engine: Engine, container: Container) -> None:
    """Undo whatever there is of a container's connections."""
    for network in networks_of(engine, container):
        engine.network(network.driver).disconnect(network, container.id)


def networks_of(engine: Engine, container: Container) -> list[Network]:
    """Return the networks on record that a container may be connected to: by its record as it is now."""
    try:
        container = engine.store.containers.get(container.id)
    except NotFound:
        pass  # as it was
    wanted = [*names(container), *(one.network for one in container.endpoints)]
    found = {network.id: network for name in wanted if (network := engine.store.networks.named(name))}
    return list(found.values())
