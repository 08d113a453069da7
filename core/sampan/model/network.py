"""Describe networks, how a container asks to be connected to one, and the connection that came of it."""

from __future__ import annotations

import msgspec


class Pool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A subnet of a network, IPv4 or IPv6, in CIDR notation; what is empty its driver fills in.

    Containers get their addresses from ``range``, a part of the subnet, or from all of it where that is empty. Those in
    ``reserved``, by what they are reserved for, are never given away. ``automatic``: the driver chose the subnet, and
    may choose another where it is taken.
    """

    subnet: str = ""
    gateway: str = ""
    range: str = ""
    reserved: dict[str, str] = {}
    automatic: bool = False

    @property
    def ipv6(self) -> bool:
        """Whether it is a subnet of IPv6."""
        return ":" in self.subnet


class Network(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network as the engine knows it. ``created`` is in seconds since the epoch.

    ``ipv4`` and ``ipv6`` say which addresses it has; ``pools`` are its subnets, of each family at most as many as its
    driver takes, and one of a family that is left out is the driver's to choose. From an ``internal`` one no way
    leads out.
    """

    id: str
    name: str
    driver: str
    created: float = 0.0
    pools: tuple[Pool, ...] = ()
    ipv4: bool = True
    ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    ipam_options: dict[str, str] = {}
    labels: dict[str, str] = {}
    options: dict[str, str] = {}

    @property
    def default(self) -> bool:
        """Whether it is the one that its driver has without anybody's asking."""
        return self.name == self.driver


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another container by an ``alias``: by its ``name`` as the user gave it, on a default network
    by its id as well."""

    name: str
    alias: str
    container: str = ""


class Connection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user asks of a container's connection to one network, by its name.

    The default route leads by the network of the highest ``priority``, among equals by the first in the order of names.
    """

    network: str
    aliases: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    address: str = ""
    address6: str = ""
    link_local: tuple[str, ...] = ()
    mac: str = ""
    options: dict[str, str] = {}
    priority: int = 0


class PortMapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A port of a container that the host is to have, or has.

    ``address`` is which of the host's addresses: empty for all of them, of either family. What is asked for leaves the
    host's port to be chosen from ``first`` to ``last``, or at will where these are 0; what there is has one address, of
    which 0.0.0.0 and :: are all of a family, and one port.
    """

    port: int
    protocol: str = "tcp"
    address: str = ""
    first: int = 0
    last: int = 0

    @property
    def name(self) -> str:
        """The container's port as images and ``inspect`` write it: ``80/tcp``."""
        return f"{self.port}/{self.protocol}"


class EndpointRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a container asks of a network: its own id and names, the endpoint's id, and any address it insists on.

    ``link_local`` are more addresses of its interface, which is to be called ``interface``; empty: the first ``ethN``
    that is free. ``ports`` are to be reached by way of the host. ``options`` are for the driver.
    """

    container: str
    id: str = ""
    name: str = ""
    hostname: str = ""
    address: str = ""
    address6: str = ""
    link_local: tuple[str, ...] = ()
    mac: str = ""
    aliases: tuple[str, ...] = ()
    interface: str = ""
    ports: tuple[PortMapping, ...] = ()
    options: dict[str, str] = {}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container's connection to a network, as it came out. The engine gives it its ``id``.

    ``network`` is the network's id, ``interface`` the name inside the container, ``host_interface`` its peer outside;
    the prefixes are the subnets' lengths in bits. A gateway is where the default route may lead: empty where there is
    no way out, 0.0.0.0 or :: where the link itself is the way; ``nameservers`` are what resolv.conf should list, empty
    for the host's own. ``ports`` are those that the host has for the container.
    """

    network: str
    driver: str
    id: str = ""
    interface: str = ""
    host_interface: str = ""
    address: str = ""
    prefix: int = 0
    gateway: str = ""
    address6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    mac: str = ""
    nameservers: tuple[str, ...] = ()
    ports: tuple[PortMapping, ...] = ()

    def router(self, *, ipv6: bool) -> str:
        """Return the gateway of a family as far as it is somebody's address."""
        gateway = self.gateway6 if ipv6 else self.gateway
        return "" if gateway in ("0.0.0.0", "::") else gateway
