"""Offer the network driver that has CNI plugins connect containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import Option, PluginInfo

if TYPE_CHECKING:
    from sampan_plugins.network.cni.driver import CniDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="what a list of CNI plugins makes of it (specification 0.3.1, 0.4.0, 1.0.0)",
        options=(
            Option("directories", "/etc/cni/net.d", "where configurations are found by name, divided by colons"),
            Option("path", "/usr/lib/cni:/opt/cni/bin", "where CNI plugins are found, as CNI_PATH"),
        ),
        capabilities={
            "sandboxed": "yes", "addressed": "yes", "reached": "yes", "ipv6": "yes", "configurable": "yes",
            "subnets": "no", "predefined": "no", "publishes": "yes", "republishes": "no",
        },
    )


@hookimpl
def sampan_open_network(name: str, root: str, run_root: str, options: Mapping[str, Any]) -> CniDriver:
    """Open the driver. Raises InvalidInput on an option it does not know."""
    from sampan_plugins.network.cni.driver import CniDriver

    return CniDriver(root, options)
