"""Offer archives of whole images: Docker's, OCI's, and the OCI layout as a directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.format import ImageFormat
    from sampan.contracts.plugin import PluginInfo

_SUMMARIES = {
    "docker-archive": "images as docker save writes them, which Docker, Podman, skopeo and containerd read",
    "oci-archive": "images as a tar of an OCI image layout",
    "oci-dir": "images as a directory that is an OCI image layout; is read, not written",
}


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo | None:
    """Tell what the plugin is."""
    from sampan.contracts.plugin import PluginInfo

    return PluginInfo(summary=_SUMMARIES[name]) if name in _SUMMARIES else None


@hookimpl
def sampan_open_format(name: str, options: Mapping[str, Any]) -> ImageFormat | None:
    """Open a format. Raises InvalidInput on any option."""
    for option in options:
        raise InvalidInput(f"unknown option {option!r} for formats/{name}", "it has none")
    from sampan_plugins.formats.archives import driver

    formats: dict[str, Callable[[], ImageFormat]] = {
        "docker-archive": driver.DockerArchive, "oci-archive": driver.OCIArchive, "oci-dir": driver.OCIDirectory,
    }
    return formats[name]() if name in formats else None
