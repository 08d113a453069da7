"""Tell from the result of CNI plugins what became of a container's connection (specification 1.0.0, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from sampan.errors import Unavailable
from sampan.model.network import Endpoint, Network, PortMapping
from sampan_plugins.network.cni.configuration import Document

_DEFAULTS = {False: "0.0.0.0/0", True: "::/0"}
_NOWHERE = {False: "0.0.0.0", True: "::"}


class _Interface(msgspec.Struct):
    name: str = ""
    mac: str = ""
    sandbox: str = ""


class _Address(msgspec.Struct):
    address: str
    gateway: str = ""

    @property
    def ipv6(self) -> bool:
        return ":" in self.address


class _Route(msgspec.Struct):
    dst: str
    gw: str = ""


class _Dns(msgspec.Struct, frozen=True):
    nameservers: tuple[str, ...] = ()


class Result(msgspec.Struct):
    """What we look at of a result, in any version since 0.3.0."""

    interfaces: tuple[_Interface, ...] = ()
    ips: tuple[_Address, ...] = ()
    routes: tuple[_Route, ...] = ()
    dns: _Dns = _Dns()

    def addresses(self) -> Iterator[str]:
        """Yield the container's addresses."""
        for one in self.ips:
            yield one.address.partition("/")[0]

    def outside(self) -> list[str]:
        """Return the names of the links that are on the host."""
        return [one.name for one in self.interfaces if not one.sandbox]


def read(document: Document) -> Result:
    """Read a result. Raises Unavailable where it is none."""
    try:
        return msgspec.convert(document, Result)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the result of the CNI plugins makes no sense: {error}") from error


def to_check(document: Document, former: str, sandbox: str) -> Document:
    """Return what of a result is still to be found: not the default routes, which are the engine's, and in a sandbox by
    the path that opens it by now.
    """
    interfaces = [
        {**one, "sandbox": sandbox} if isinstance(one, dict) and one.get("sandbox") == former else one
        for one in document.get("interfaces", [])
    ]
    routes = [
        one for one in document.get("routes", []) if isinstance(one, dict) and one.get("dst") not in _DEFAULTS.values()
    ]
    return {**document, "interfaces": interfaces, "routes": routes}


def endpoint(network: Network, result: Result, interface: str, ports: Sequence[PortMapping]) -> Endpoint:
    """Return the endpoint that a result tells of. The way out of it is where the result's default route leads."""
    inside = [one for one in result.interfaces if one.sandbox and one.name == interface]
    found = Endpoint(
        network=network.id, driver=network.driver, interface=interface, mac=inside[0].mac if inside else "",
        nameservers=result.dns.nameservers,
    )
    families = set()
    for one in result.ips:
        if one.ipv6 not in families:
            families.add(one.ipv6)
            address, _, length = one.address.partition("/")
            gateway = "" if network.internal else _gateway(result, one)
            told = {"address": address, "prefix": int(length or 0), "gateway": gateway}
            named = {key + ("6" if one.ipv6 else ""): value for key, value in told.items()}
            found = msgspec.structs.replace(found, **named)
    has = tuple(one for one in ports if (":" in one.address) in families)
    return msgspec.structs.replace(found, ports=has)


def _gateway(result: Result, address: _Address) -> str:
    for route in result.routes:
        if route.dst == _DEFAULTS[address.ipv6]:
            return route.gw or address.gateway or _NOWHERE[address.ipv6]
    return ""
