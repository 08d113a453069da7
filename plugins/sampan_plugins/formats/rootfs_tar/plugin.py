"""Offer the tar archive of a root file system as a snapshot format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.format import RootfsFormat
    from sampan.contracts.plugin import PluginInfo


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    from sampan.contracts.plugin import PluginInfo

    return PluginInfo(summary="a container's root file system as a tar archive; gzip, bzip2, xz and zstd are read")


@hookimpl
def sampan_open_format(name: str, options: Mapping[str, Any]) -> RootfsFormat:
    """Open the format. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option {option!r} for formats/{name}", "it has none")
    from sampan_plugins.formats.rootfs_tar.driver import RootfsTar

    return RootfsTar()
