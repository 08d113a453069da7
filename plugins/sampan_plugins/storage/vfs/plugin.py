"""Offer the storage driver that copies."""

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
        summary="full copies of every layer, on any file system; cloned where it can",
        capabilities={"independent_layers": "no", "applies": "no", "compares": "no", "measures": "no"},
    )


@hookimpl
def sampan_open_storage(name: str, root: str, options: Mapping[str, Any]) -> StorageDriver:
    """Open the driver. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option {option!r} for storage/{name}", "it has none")
    from sampan_plugins.storage.vfs.driver import VfsDriver

    return VfsDriver(root)
