"""Turn the network flags of ``run`` and ``create`` into what the engine is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.errors import InvalidInput
from sampan.model.network import Connection, Link

_MAC = re.compile(r"[0-9a-fA-F]{2}([:-])([0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}")
_FIELDS = {
    "name": "network", "alias": "aliases", "ip": "address", "ip6": "address6", "mac-address": "mac",
    "link-local-ip": "link_local", "driver-opt": "options", "gw-priority": "priority",
}  # fmt: skip
_CONFLICTS = {
    "aliases": "--network-alias and per-network alias", "address": "--ip and per-network IPv4 address",
    "address6": "--ip6 and per-network IPv6 address",
    "link_local": "--link-local-ip and per-network link-local IP addresses",
}  # fmt: skip


def connections(flags: Mapping[str, Any]) -> tuple[Connection, ...]:
    """Return what a new container asks of its networks; flags for a single one are the first's. Raises InvalidInput."""
    first, *others = [_connection(text) for text in (*flags["network"], *flags["net"])] or [Connection(network="")]
    general = {
        "aliases": (*flags["net_alias"], *flags["network_alias"]), "address": flags["ip"] or "",
        "address6": flags["ip6"] or "", "link_local": flags["link_local_ip"], "mac": flags["mac_address"] or "",
    }  # fmt: skip
    given = {name: value for name, value in general.items() if value}
    for name in given:
        if name in _CONFLICTS and getattr(first, name):
            raise InvalidInput(f"conflicting options: cannot specify both {_CONFLICTS[name]}")
    found = tuple(map(checked, (msgspec.structs.replace(first, **given), *others)))
    names = [one.network for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f'network "{name}" is specified multiple times')
    return found if found != (Connection(network=""),) else ()


def checked(connection: Connection) -> Connection:
    """Return it with its addresses as the engine takes them. Raises InvalidInput, in Docker's words."""
    from sampan_plugins.commands._checks import is_address

    if connection.address and not is_address(connection.address, only_v4=True):
        raise InvalidInput(f"invalid IPv4 address: {connection.address}")
    if connection.address6 and (":" not in connection.address6 or not is_address(connection.address6)):
        raise InvalidInput(f"invalid IPv6 address: {connection.address6}")
    for address in connection.link_local:
        if not is_address(address):
            raise InvalidInput(f"Invalid link-local IP address: {address}")
    if connection.mac and not _MAC.fullmatch(connection.mac):
        raise InvalidInput(f"{connection.mac} is not a valid mac address")
    return msgspec.structs.replace(connection, mac=connection.mac.replace("-", ":").lower())


def _connection(text: str) -> Connection:
    """Read a network's name, or ``name=NETWORK,alias=…,ip=…``."""
    if "=" not in text:
        return Connection(network=text)
    from sampan_plugins.commands._volumes import fields_of

    found: dict[str, Any] = {}
    for field in fields_of(text):
        key, equals, value = field.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals:
            raise InvalidInput(f"invalid field {field}")
        if key not in _FIELDS:
            raise InvalidInput(f"invalid field key {key}")
        _put(found, _FIELDS[key], value)
    if not found.get("network"):
        raise InvalidInput("network name/id is not specified")
    return Connection(**found)


def _put(found: dict[str, Any], name: str, value: str) -> None:
    if name in ("aliases", "link_local"):
        found[name] = (*found.get(name, ()), value)
    elif name == "options":
        found.setdefault(name, {}).update([option(value)])
    elif name == "priority":
        try:
            found[name] = int(value)
        except ValueError:
            raise InvalidInput(f"invalid gw-priority ({value}): invalid syntax") from None
    else:
        found[name] = value


def option(text: str) -> tuple[str, str]:
    """Return name and value of a driver's option. Raises InvalidInput."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidInput("invalid key/value pair format in driver options")
    return key.strip(), value.strip()


def link(text: str) -> Link:
    """Return what ``CONTAINER[:ALIAS]`` means. Raises InvalidInput, in Docker's words."""
    name, _, alias = text.partition(":")
    if ":" in alias or not text:
        raise InvalidInput(f'invalid argument "{text}" for "--link" flag: bad format for links: {text}')
    return Link(name=name, alias=alias or name)
