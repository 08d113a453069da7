"""Read what users set: the plugin's options for every network, and a network's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from sampan.errors import InvalidInput

_T = TypeVar("_T", bound=msgspec.Struct)
_DOCKERS = {
    "com.docker.network.bridge.name": "bridge",
    "com.docker.network.bridge.enable_icc": "icc",
    "com.docker.network.bridge.enable_ip_masquerade": "masquerade",
    "com.docker.network.driver.mtu": "mtu",
}
_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_PARSERS = {"icc": "ParseBool", "masquerade": "ParseBool", "mtu": "Atoi"}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin's table in the configuration. ``bridge`` and ``subnet`` are the default network's.

    An empty ``subnet`` leaves the choice to the driver, ``mtu`` 0 to the kernel. Without ``firewall`` the driver
    sets no rules: reaching out and keeping strangers out are then left to the administrator.
    """

    bridge: str = "sampan0"
    subnet: str = ""
    mtu: int = 0
    firewall: bool = True


class NetworkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A network's own options, where they differ from the plugin's.

    Without ``masquerade`` its containers leave with their own addresses; without ``icc`` they do not reach each other.
    """

    bridge: str = ""
    mtu: int = -1
    masquerade: bool = True
    icc: bool = True


def of_plugin(table: Mapping[str, Any]) -> Options:
    """Read the plugin's table. Raises InvalidInput."""
    options = _read(table, Options, "option of network/bridge")
    _check_link_name(options.bridge)
    return options


def of_network(table: Mapping[str, str]) -> NetworkOptions:
    """Read a network's options; Docker's names for them are taken too. Raises InvalidInput."""
    read = {_DOCKERS.get(key, key): _value(key, value) for key, value in table.items()}
    options = _read(read, NetworkOptions, "network option")
    if options.bridge:
        _check_link_name(options.bridge)
    return options


def _value(key: str, value: str) -> str | bool | int:
    """Return what a value means. Raises InvalidInput in Docker's words."""
    parser = _PARSERS.get(_DOCKERS.get(key, key))
    if parser == "ParseBool" and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    if parser == "Atoi" and value.isascii() and value.isdecimal():
        return int(value)
    if parser:
        raise InvalidInput(
            f'failed to parse {key} value: {value} (strconv.{parser}: parsing "{value}": invalid syntax)'
        )
    return value


def _read(table: Mapping[str, Any], kind: type[_T], what: str) -> _T:
    known = [field.name for field in msgspec.structs.fields(kind)]
    for key in table:
        if key not in known:
            raise InvalidInput(f"unknown {what} {key!r}", _nearest(key, known))
    try:
        return msgspec.convert(table, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"invalid {what}: {str(error)[:1].lower()}{str(error)[1:]}") from error


def _nearest(key: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "it takes " + ", ".join(sorted(known))


def _check_link_name(name: str) -> None:
    # IFNAMSIZ less the end; the characters also make a safe nftables table name.
    if not 1 <= len(name) <= 15 or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) or (
        not name[0].isalnum()
    ):
        raise InvalidInput(
            f"invalid bridge name {name!r}",
            "up to 15 letters, digits and -_. that begin with a letter or digit",
        )
