"""Offer the network driver that joins containers by Linux bridges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import Option, PluginInfo

if TYPE_CHECKING:
    from sampan_plugins.network.bridge.driver import BridgeDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="a bridge on the host, an address of its subnet for each container, NAT outwards",
        options=(
            Option("bridge", "sampan0", "the default network's bridge"),
            Option("subnet", "", "the default network's IPv4 subnet; empty: the first that is free"),
            Option("mtu", "0", "the largest packet; 0: the kernel's default"),
            Option("firewall", "true", "set nftables rules: NAT outwards, nothing unasked inwards"),
        ),
        capabilities={
            "sandboxed": "yes", "addressed": "yes", "reached": "yes", "ipv6": "yes", "configurable": "yes",
            "subnets": "yes", "predefined": "yes", "publishes": "yes", "republishes": "yes",
        },
    )


@hookimpl
def sampan_open_network(name: str, root: str, run_root: str, options: Mapping[str, Any]) -> BridgeDriver:
    """Open the driver. Raises InvalidInput on an option it does not know."""
    from sampan_plugins.network.bridge.driver import BridgeDriver

    return BridgeDriver(root, run_root, options)
