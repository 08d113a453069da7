"""Link containers on the default network: others by name in /etc/hosts, and what they offer in the environment.

On a network of one's own a link is one more name that the name service knows, for this container alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import hostfiles, networking
from sampan.engine.sharing import SHARED
from sampan.errors import Conflict, InvalidInput, NotFound, SampanError
from sampan.model.container import Container, ContainerSpec
from sampan.model.network import Link
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_UNTOLD = ("HOME", "PATH")


class Linked(msgspec.Struct, frozen=True):
    """A link to a container that runs, and where that is."""

    link: Link
    container: Container
    address: str

    @property
    def names(self) -> tuple[str, ...]:
        """What the other is called in /etc/hosts."""
        return tuple(dict.fromkeys((self.link.alias, networking.hostname(self.container), self.link.name)))


def settle(engine: Engine, spec: ContainerSpec) -> ContainerSpec:
    """Return the spec, whose networks are settled, with the containers it links to by their ids.

    Where the first network is one of the user's the links are that connection's, whether there are such containers or
    not. Raises NotFound, and InvalidInput on a network that has no links.
    """
    if not spec.links:
        return spec
    for link in spec.links:
        hostfiles.check_word(posixpath.basename(link.alias) or link.name, "alias of a link")
    shared = spec.network.startswith(SHARED)
    if shared or not networking.sandboxed(engine, networking.wires_of(engine, spec)):
        kind = "container type network" if shared else "host type networking"
        raise InvalidInput(
            f"conflicting options: {kind} can't be used with links. This would result in undefined behavior"
        )
    if networking.named(engine, networking.wires_of(engine, spec)[:1]):
        first, *others = spec.connections
        first = msgspec.structs.replace(first, links=(*first.links, *spec.links))
        return msgspec.structs.replace(spec, links=(), connections=(first, *others))
    return msgspec.structs.replace(spec, links=tuple(_found(engine, link) for link in spec.links))


def _found(engine: Engine, link: Link) -> Link:
    try:
        other = engine.container(link.name)
    except NotFound as error:
        raise NotFound(f"could not get container for {link.name}: {error.message}") from error
    return Link(name=other.name, alias=posixpath.basename(link.alias) or other.name, container=other.id)


def resolve(engine: Engine, container: Container) -> list[Linked]:
    """Return a container's links; none where its network has no addresses. Raises Conflict, in Docker's words."""
    if not container.spec.links:
        return []
    wires = networking.wires(engine, container)
    if not networking.addressed(engine, wires):
        return []
    homes = _homes(wires)
    return [_resolved(engine, container, link, homes) for link in container.spec.links]


def _homes(wires: Iterable[networking.Wire]) -> set[str]:
    return {home for _, network in wires for home in (network.id, network.name)}


def _resolved(engine: Engine, container: Container, link: Link, homes: set[str]) -> Linked:
    try:
        other = engine.container(link.container)
    except NotFound:
        other = None
    if other is None or not other.alive:
        raise Conflict(f"Cannot link to a non running container: /{link.name} AS {_path(container, link)}")
    for endpoint in other.endpoints:
        if endpoint.network in homes:
            return Linked(link, other, endpoint.address)
    raise Conflict(f"Cannot link to /{link.name}, as it does not belong to the default network")


def shown(container: Container) -> list[str]:
    """Return the links as ``inspect`` has them."""
    return [f"/{link.name}:{_path(container, link)}" for link in container.spec.links]


def hosts(linked: Sequence[Linked]) -> list[str]:
    """Return lines of /etc/hosts: for each link its alias, the other's host name and its name."""
    return [f"{one.address}\t{' '.join(one.names)}\n" for one in linked]


def follow(engine: Engine, container: Container) -> None:
    """Have running containers that link to this one, which has just been started, find it at its address."""
    for other in engine.store.containers.telling_of(container.id):
        linked = [link for link in other.spec.links if link.container == container.id]
        if linked:
            try:
                _readdress(engine, other, linked)
            except (SampanError, OSError):
                pass  # it has ended, or is not to be reached from there any more: no reason not to run


def _readdress(engine: Engine, container: Container, linked: Sequence[Link]) -> None:
    from sampan.engine import connecting

    homes = _homes(networking.wires(engine, container))
    path = f"{engine.layout.container(container.id)}/hosts"
    with locks.exclusive(engine.layout, locks.of_container(container.id)):  # others amend the file too
        for one in [_resolved(engine, container, link, homes) for link in linked]:
            connecting.amend(path, partial(hostfiles.readdressed, address=one.address, names=one.names))


def environment(container: Container, linked: Sequence[Linked]) -> list[str]:
    """Return what each link tells in the environment: the ports the other exposes, and its own environment."""
    return [entry for one in linked for entry in _told(container, one)]


def _told(container: Container, one: Linked) -> Iterator[str]:
    prefix = one.link.alias.upper().replace("-", "_")
    spec = one.container.spec
    ports = sorted((_port(text) for text in spec.exposed_ports), key=lambda port: (port[0], port[1] != "tcp"))
    if ports:
        yield f"{prefix}_PORT={_url(ports[0], one.address)}"
    yield from _ranges(prefix, ports, one.address)
    for number, protocol in ports:
        name = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield f"{name}={_url((number, protocol), one.address)}"
        yield from (f"{name}_ADDR={one.address}", f"{name}_PORT={number}", f"{name}_PROTO={protocol}")
    yield f"{prefix}_NAME={_path(container, one.link)}"
    for entry in spec.env:
        key, equals, _ = entry.partition("=")
        if equals and key not in _UNTOLD:
            yield f"{prefix}_ENV_{entry}"


def _ranges(prefix: str, ports: Sequence[tuple[int, str]], address: str) -> Iterator[str]:
    """Tell of three and more ports in a row by the first and the last, counting as Docker does."""
    first = 0
    while first < len(ports):
        number, protocol = ports[first]
        last = first
        while last + 1 < len(ports) and ports[last + 1][0] <= number + last - first + 1:
            last += 1
        if last > first + 1:
            name = f"{prefix}_PORT_{number}_{protocol.upper()}"
            yield from (f"{name}_START={_url(ports[first], address)}", f"{name}_PORT_START={number}")
            yield from (f"{name}_END={_url(ports[last], address)}", f"{name}_PORT_END={ports[last][0]}")
            first = last
        first += 1


def _port(text: str) -> tuple[int, str]:
    number, _, protocol = text.partition("/")
    return int(number), protocol or "tcp"


def _url(port: tuple[int, str], address: str) -> str:
    return f"{port[1]}://{address}:{port[0]}"


def _path(container: Container, link: Link) -> str:
    return f"/{container.name}/{link.alias}"
