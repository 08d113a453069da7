"""Tell which ports of a container the host is to have, by which of its networks, and which it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.sharing import SHARED
from sampan.errors import InvalidInput, Unsupported
from sampan.model.network import PortMapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.engine.engine import Engine
    from sampan.engine.networking import Wire
    from sampan.model.container import Container, ContainerSpec
    from sampan.model.network import Network


def refuse_shared(spec: ContainerSpec) -> None:
    """Raise InvalidInput when a container that shares another's network speaks of ports, as that is the other's."""
    if not spec.network.startswith(SHARED):
        return
    for what, given in (("publishing", spec.ports or spec.publish_all), ("exposing", spec.exposed_ports)):
        if given:
            raise InvalidInput(f"conflicting options: port {what} and the container type network mode")


def wanted(spec: ContainerSpec) -> tuple[PortMapping, ...]:
    """Return what a container asks for, of a spec that is merged: all exposed ports where it says so."""
    if not spec.publish_all:
        return spec.ports
    named = {mapping.name for mapping in spec.ports}
    rest = (port.partition("/") for port in spec.exposed_ports if port not in named)
    return (*spec.ports, *(PortMapping(port=int(number), protocol=protocol) for number, _, protocol in rest))


def publisher(engine: Engine, spec: ContainerSpec, found: Sequence[Wire]) -> Network | None:
    """Return the network that is to publish a container's ports: of those that lead out, the first that can.

    None where there is nothing to publish, or nothing to publish it for: on networks without addresses, and on those
    whose containers the host does not reach, as with Docker. Raises Unsupported when no driver can.
    """
    if not wanted(spec):
        return None
    leading = [network for _, network in found if not network.internal]
    able = [network for network in leading if engine.network(network.driver).capabilities.publishes]
    for network in () if able else leading:
        capabilities = engine.network(network.driver).capabilities
        if capabilities.addressed and capabilities.sandboxed and capabilities.reached:
            raise Unsupported(f"the network driver {network.driver} cannot publish ports", "leave out --publish")
    return able[0] if able else None


def discarded(engine: Engine, container: Container) -> bool:
    """Tell whether the ports that a container asks for mean nothing, because its network is the host's."""
    return bool(container.spec.ports) and not engine.network(container.network_driver).capabilities.sandboxed


def bound(container: Container) -> dict[str, list[PortMapping]]:
    """Return what the host has for a running container, by the container's port."""
    found: dict[str, list[PortMapping]] = {}
    for endpoint in container.endpoints if container.alive else ():
        for mapping in endpoint.ports:
            found.setdefault(mapping.name, []).append(mapping)
    return found


def listed(container: Container) -> list[PortMapping]:
    """Return what the host has for a running container, and the other exposed ports, for which it has nothing."""
    known = shown(container)
    closed = (port.partition("/") for port, found in known.items() if not found)
    return [
        *(mapping for mappings in bound(container).values() for mapping in mappings),
        *(PortMapping(port=int(number), protocol=protocol) for number, _, protocol in closed),
    ]


def shown(container: Container) -> dict[str, list[dict[str, str]] | None]:
    """Return the ports of a running container as ``inspect`` shows them: None for one that is exposed only."""
    if not container.alive or not any(one.address or one.address6 for one in container.endpoints):
        return {}
    found: dict[str, list[dict[str, str]] | None] = dict.fromkeys(container.spec.exposed_ports)
    for port, mappings in bound(container).items():
        found[port] = [{"HostIp": one.address, "HostPort": str(one.first)} for one in mappings]
    return dict(sorted(found.items()))


def asked(spec: ContainerSpec) -> dict[str, list[dict[str, str]]]:
    """Return what was asked for, as ``inspect`` shows it."""
    found: dict[str, list[dict[str, str]]] = {}
    for one in spec.ports:
        host = "" if not one.first else f"{one.first}" if one.first == one.last else f"{one.first}-{one.last}"
        found.setdefault(one.name, []).append({"HostIp": one.address, "HostPort": host})
    return found
