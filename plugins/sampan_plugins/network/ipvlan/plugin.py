"""Offer the network driver that puts containers on a link of the host's under its MAC address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import PluginInfo
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan_plugins.network.ipvlan.driver import IpvlanDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="the MAC address of one of the host's links for all containers on it, or routing by it",
        capabilities={
            "sandboxed": "yes", "addressed": "yes", "reached": "no", "ipv6": "yes", "configurable": "yes",
            "subnets": "yes", "predefined": "no", "publishes": "no", "republishes": "no",
        },
    )


@hookimpl
def sampan_open_network(name: str, root: str, run_root: str, options: Mapping[str, Any]) -> IpvlanDriver:
    """Open the driver. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option of network/{name} {option!r}", "it takes none; networks have options")
    from sampan_plugins.network.ipvlan.driver import IpvlanDriver

    return IpvlanDriver(root)
