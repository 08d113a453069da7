"""Offer the volume driver that keeps directories of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.plugin import PluginInfo
    from sampan.contracts.volume import VolumeDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    from sampan.contracts.plugin import PluginInfo

    return PluginInfo(
        summary="directories of this machine, or what mount(8) can mount (volume options type, device and o)"
    )


@hookimpl
def sampan_open_volumes(name: str, root: str, options: Mapping[str, Any]) -> VolumeDriver:
    """Open the driver. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option {option!r} for volumes/{name}", "it has none")
    from sampan_plugins.volumes.local.driver import LocalVolumes

    return LocalVolumes(root)
