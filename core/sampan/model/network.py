"""Describe networks, and a container's connection to one."""

from __future__ import annotations

import msgspec


class Network(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network as the engine knows it. Addresses and subnets are written in CIDR or dotted form."""

    id: str
    name: str
    driver: str
    subnet: str = ""
    gateway: str = ""
    internal: bool = False
    labels: dict[str, str] = {}
    options: dict[str, str] = {}


class EndpointRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a container asks of a network: its own id and name, and any address it insists on."""

    container: str
    hostname: str = ""
    address: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container's connection to a network, as it came out.

    ``interface`` is the name inside the container, ``host_interface`` its peer outside; ``prefix`` is the
    subnet's length in bits; ``nameservers`` are what resolv.conf should list, empty for the host's own.
    """

    network: str
    driver: str
    interface: str = ""
    host_interface: str = ""
    address: str = ""
    prefix: int = 0
    gateway: str = ""
    mac: str = ""
    nameservers: tuple[str, ...] = ()
