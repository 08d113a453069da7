"""Read what users set: the plugin's options for every network, and a network's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.addressing.options import parsed, read
from sampan.errors import InvalidInput

_DOCKERS = {
    "com.docker.network.bridge.name": "bridge",
    "com.docker.network.bridge.enable_icc": "icc",
    "com.docker.network.bridge.enable_ip_masquerade": "masquerade",
    "com.docker.network.driver.mtu": "mtu",
}
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
    options = read(table, Options, "option of network/bridge")
    _check_link_name(options.bridge)
    return options


def of_network(table: Mapping[str, str]) -> NetworkOptions:
    """Read a network's options; Docker's names for them are taken too. Raises InvalidInput."""
    named = {
        _DOCKERS.get(key, key): parsed(key, value, _PARSERS.get(_DOCKERS.get(key, key), ""))
        for key, value in table.items()
    }
    options = read(named, NetworkOptions, "network option")
    if options.bridge:
        _check_link_name(options.bridge)
    return options


def _check_link_name(name: str) -> None:
    # IFNAMSIZ less the end; the characters also make a safe nftables table name.
    if not 1 <= len(name) <= 15 or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) or (
        not name[0].isalnum()
    ):
        raise InvalidInput(
            f"invalid bridge name {name!r}",
            "up to 15 letters, digits and -_. that begin with a letter or digit",
        )
