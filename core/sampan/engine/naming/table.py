"""Know by which names a container finds others: those on its networks, by what they are called there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sampan.errors import NotFound
from sampan.model.container import RUNNING
from sampan.store import owner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.model.container import Container
    from sampan.model.network import Endpoint
    from sampan.store.store import Store



class Found(msgspec.Struct, frozen=True):
    """A container on one of the networks: its endpoint, what it is called there, and who looks after it."""

    endpoint: Endpoint
    name: str
    monitor: str


class NameTable:
    """What one container can ask for. It follows the store, which it only reads; threads may share it."""

    def __init__(self, store: Store, container: str) -> None:
        self._store = store
        self._container = container
        self._version: object = None
        self._by_name: dict[str, list[Found]] = {}
        self._by_address: dict[str, Found] = {}
        self._leads_out = False

    def addresses(self, name: str, *, ipv6: bool) -> list[str] | None:
        """Return the addresses of a name, in whatever case; None for one that nobody here has."""
        by_name, _ = self._current()
        found = [one for one in by_name.get(name.lower(), ()) if owner.alive(one.monitor)]
        if not found:
            return None
        addresses = [one.endpoint.address6 if ipv6 else one.endpoint.address for one in found]
        return [*dict.fromkeys(filter(None, addresses))]

    def name(self, address: str) -> str | None:
        """Return the name of a container and its network's, with a dot between; None for an address of nobody here."""
        _, by_address = self._current()
        found = by_address.get(address)
        return found.name if found and owner.alive(found.monitor) else None

    @property
    def leads_out(self) -> bool:
        """Whether any of the container's networks leads to where the host is."""
        self._current()
        return self._leads_out

    def _current(self) -> tuple[dict[str, list[Found]], dict[str, Found]]:
        version = self._store.database.one("PRAGMA data_version")
        if version != self._version:
            # Tables of their own: another thread may be at the ones before.
            self._by_name, self._by_address = self._read()
            self._version = version
        return self._by_name, self._by_address

    def _read(self) -> tuple[dict[str, list[Found]], dict[str, Found]]:
        by_name: dict[str, list[Found]] = {}
        by_address: dict[str, Found] = {}
        own = self._own()
        networks = self._networks(own.endpoints) if own else {}
        for container in self._store.containers.with_status(*RUNNING):
            for endpoint in container.endpoints:
                network = networks.get(endpoint.network)
                if network is None:
                    continue
                found = Found(endpoint, f"{container.name}.{network}", container.monitor)
                for name in _names(container, network) | _links(own, container, network):
                    for known in (name, f"{name}.{network}"):
                        by_name.setdefault(known.lower(), []).append(found)
                for address in filter(None, (endpoint.address, endpoint.address6)):
                    by_address[address] = found
        return by_name, by_address

    def _own(self) -> Container | None:
        try:
            return self._store.containers.get(self._container)
        except NotFound:
            return None

    def _networks(self, endpoints: Iterable[Endpoint]) -> dict[str, str]:
        """Return the names of the networks that names are given out on, by id: of those that the container is on."""
        self._leads_out = any(endpoint.gateway or endpoint.gateway6 for endpoint in endpoints)
        found = (self._store.networks.named(endpoint.network) for endpoint in endpoints)
        return {network.id: network.name for network in found if network and not network.default}


def _names(container: Container, network: str) -> set[str]:
    aliases = [alias for one in container.spec.connections if one.network == network for alias in one.aliases]
    return {container.name, container.short_id, *aliases}


def _links(own: Container | None, other: Container, network: str) -> set[str]:
    """Return what the container itself calls another on a network."""
    known = (other.name, other.id, other.short_id)
    return {
        link.alias for one in (own.spec.connections if own else ()) if one.network == network
        for link in one.links if link.name in known
    }
