"""Find the network a container asks for, and connect it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import NotFound
from sampan.model.network import Endpoint, EndpointRequest, Network

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container, ContainerSpec


def resolve(engine: Engine, spec: ContainerSpec) -> Network:
    """Return the network of a container: a recorded one, or the one that each driver has under its own name.

    Raises NotFound when there is neither.
    """
    name = spec.network or engine.settings.network
    if name == "default":
        name = engine.settings.network
    found = engine.store.networks.named(name)
    if found:
        return found
    if name not in engine.plugins.names("network"):
        raise NotFound(f"network {name} not found", "`plugin ls` shows the drivers there are")
    engine.store.networks.add(engine.network(name).create(Network(id=name, name=name, driver=name)))
    # Read back: of two commands that come here together the first one's record stays.
    recorded = engine.store.networks.named(name)
    assert recorded is not None
    return recorded


def hostname(container: Container, *, sandboxed: bool = True) -> str:
    """Return a container's host name: its own, or its short id; the host's where it is in no network of its own."""
    return container.spec.hostname or (container.short_id if sandboxed else os.uname().nodename)


def connect(engine: Engine, network: Network, container: Container, sandbox: str | None) -> Endpoint:
    """Connect a container's sandbox to a network."""
    request = EndpointRequest(
        container=container.id, hostname=hostname(container), address=container.spec.address,
        mac=container.spec.mac, aliases=container.spec.network_aliases,
    )
    return engine.network(network.driver).connect(network, sandbox, request)


def disconnect(engine: Engine, container: Container) -> None:
    """Undo whatever there is of a container's connection."""
    network = network_of(engine, container)
    if network is not None:
        engine.network(network.driver).disconnect(network, container.id)


def network_of(engine: Engine, container: Container) -> Network | None:
    """Return the network on record that a container is on, or None."""
    name = container.spec.network or engine.settings.network
    return engine.store.networks.named(name if name != "default" else engine.settings.network)
