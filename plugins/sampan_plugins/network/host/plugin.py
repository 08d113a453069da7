"""Offer the network driver that shares the host's network with a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import PluginInfo
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan_plugins.network.host.driver import HostDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="the host's own network, shared",
        capabilities={"sandboxed": "no", "addressed": "no", "ipv6": "no", "configurable": "no"},
    )


@hookimpl
def sampan_open_network(name: str, root: str, run_root: str, options: Mapping[str, Any]) -> HostDriver:
    """Open the driver. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option of network/{name} {option!r}", "it takes none")
    from sampan_plugins.network.host.driver import HostDriver

    return HostDriver()
