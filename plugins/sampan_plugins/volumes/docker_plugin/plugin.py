"""Offer the volumes of Docker's volume plugins, each by its own name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import Option, PluginInfo

if TYPE_CHECKING:
    from sampan.contracts.volume import VolumeDriver


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="Docker's volume plugins, each by its own name (volume create -d NAME)",
        options=(
            Option("sockets", "/run/docker/plugins", "where plugins have their sockets, NAME.sock"),
            Option("specs", "/etc/docker/plugins:/usr/lib/docker/plugins", "where NAME.spec and NAME.json are"),
            Option("timeout", "120", "seconds that a plugin may take for an answer"),
        ),
    )


@hookimpl
def sampan_open_volumes(name: str, root: str, options: Mapping[str, Any]) -> VolumeDriver:
    """Open the driver on the plugin called ``name``. Raises NotFound, and InvalidInput on a wrong option."""
    from sampan_plugins.volumes.docker_plugin.driver import PluginVolumes
    from sampan_plugins.volumes.docker_plugin.options import Options
    from sampan_plugins.volumes.docker_plugin.protocol import Plugin

    chosen = Options.read(options)
    if not os.path.isdir(root):  # one that was used before may be away: its volumes' users must be able to end
        chosen.find(name)
    return PluginVolumes(root, Plugin(name, lambda: chosen.find(name), chosen.timeout))
