"""Offer the storage driver on the kernel's overlay file system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.plugin import PluginInfo
    from sampan.contracts.storage import StorageDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    from sampan.contracts.plugin import PluginInfo

    return PluginInfo(
        summary="layers stacked by the kernel's overlay file system",
        capabilities={
            "independent_layers": "yes", "most_layers": "500", "applies": "yes", "compares": "yes", "measures": "yes",
        },
    )


@hookimpl
def sampan_open_storage(name: str, root: str, options: Mapping[str, Any]) -> StorageDriver:
    """Open the driver. Raises InvalidInput on any option, Unsupported where overlays cannot be made on ``root``."""
    for option in options:
        raise InvalidInput(f"unknown option {option!r} for storage/{name}", "it has none")
    from sampan_plugins.storage.overlay2.driver import OverlayDriver

    return OverlayDriver(root)
