"""Read what users set: the plugin's options for every network, and a network's own."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.addressing.options import parsed, read
from sampan.errors import InvalidInput, Unsupported

_DOCKERS = {
    "com.docker.network.bridge.name": "bridge",
    "com.docker.network.bridge.enable_icc": "icc",
    "com.docker.network.bridge.enable_ip_masquerade": "masquerade",
    "com.docker.network.bridge.host_binding_ipv4": "binding",
    "com.docker.network.container_iface_prefix": "interface",
    "com.docker.network.driver.mtu": "mtu",
}
# What Docker knows besides, with the values at which it makes no difference.
_ELSEWHERE = {
    "com.docker.network.bridge.inhibit_ipv4": ("", "0", "false"),
    "com.docker.network.bridge.gateway_mode_ipv4": ("", "nat"),
    "com.docker.network.bridge.gateway_mode_ipv6": ("", "nat"),
    "com.docker.network.host_ipv4": ("",),
    "com.docker.network.host_ipv6": ("",),
}
_ANY = "0.0.0.0"
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
    ``binding`` is the host's address of ports that are published without one, ``interface`` what the names of its
    containers' interfaces begin with.
    """

    bridge: str = ""
    mtu: int = -1
    masquerade: bool = True
    icc: bool = True
    binding: str = ""
    interface: str = "eth"


def of_plugin(table: Mapping[str, Any]) -> Options:
    """Read the plugin's table. Raises InvalidInput."""
    options = read(table, Options, "option of network/bridge")
    _check_link_name(options.bridge)
    return options


def of_network(table: Mapping[str, str]) -> NetworkOptions:
    """Read a network's options; Docker's names for them are taken too, and others are nobody's, as in Docker.

    Raises InvalidInput on a value that cannot be, Unsupported for what Docker does by an option and this driver not.
    """
    known = {field.name for field in msgspec.structs.fields(NetworkOptions)}
    named = {}
    for key, value in table.items():
        if value not in _ELSEWHERE.get(key, (value,)):
            raise Unsupported(f"the network driver bridge does not do {key}={value}")
        if (name := _DOCKERS.get(key, key)) in known:
            named[name] = parsed(key, value, _PARSERS.get(name, ""))
    options = read(named, NetworkOptions, "network option")
    _check(options, {_DOCKERS.get(key, key): key for key in table})
    return msgspec.structs.replace(options, binding="") if options.binding == _ANY else options


def _check(options: NetworkOptions, given: Mapping[str, str]) -> None:
    """Raise InvalidInput for what is none: ``given`` has the keys by which options were given."""
    if options.bridge:
        _check_link_name(options.bridge)
    if options.mtu < 0 and "mtu" in given:
        raise InvalidInput(f"invalid MTU number: {options.mtu}")
    if options.binding:
        try:
            socket.inet_aton(options.binding)
        except OSError:
            raise InvalidInput(f"failed to parse {given['binding']} value: {options.binding} (nil ip)") from None
    _check_link_name(options.interface, "interface prefix", 11)


def dockers(options: Options, bridge: str) -> dict[str, str]:
    """Return what Docker's names for options say of the default network."""
    return {
        "com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.host_binding_ipv4": _ANY, "com.docker.network.bridge.name": bridge,
        "com.docker.network.driver.mtu": str(options.mtu or 1500),
    }


def _check_link_name(name: str, what: str = "bridge name", most: int = 15) -> None:
    # IFNAMSIZ less the end; the characters also make a safe nftables table name.
    if not 1 <= len(name) <= most or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) or (
        not name[0].isalnum()
    ):
        raise InvalidInput(
            f"invalid {what} {name!r}", f"up to {most} letters, digits and -_. that begin with a letter or digit"
        )
