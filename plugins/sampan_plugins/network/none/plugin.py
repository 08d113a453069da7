"""Offer the network driver that connects a container to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import PluginInfo
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan_plugins.network.none.driver import NoneDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="a network of its own with the loopback interface only",
        capabilities={"sandboxed": "yes", "addressed": "no", "ipv6": "no", "configurable": "no"},
    )


@hookimpl
def sampan_open_network(name: str, root: str, run_root: str, options: Mapping[str, Any]) -> NoneDriver:
    """Open the driver. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option of network/{name} {option!r}", "it takes none")
    from sampan_plugins.network.none.driver import NoneDriver

    return NoneDriver()
