"""Provider hooks: each opens one driver of one slot. The first plugin that answers serves.

``name`` is the name the driver was asked for by. ``options`` is the plugin's own table in the configuration,
``[options."SLOT/NAME"]``; a plugin raises InvalidInput on a key it does not know, and Unsupported when it cannot
work on this machine. An extension may wrap any of these (``wrapper=True``) and return a decorated driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan.plugin.markers import hookspec

if TYPE_CHECKING:
    import click

    from sampan.config import RegistryHost
    from sampan.contracts.format import Format
    from sampan.contracts.log import LogDriver
    from sampan.contracts.network import NetworkDriver
    from sampan.contracts.plugin import PluginInfo
    from sampan.contracts.registry import Registry
    from sampan.contracts.runtime import Runtime
    from sampan.contracts.storage import StorageDriver
    from sampan.contracts.volume import VolumeDriver


@hookspec(firstresult=True)
def sampan_plugin_info(slot: str, name: str) -> PluginInfo | None:
    """Tell what the plugin is, its options and capabilities, without loading the driver."""


@hookspec(firstresult=True)
def sampan_open_command(name: str) -> click.Command | None:
    """Return the command. ``name`` is the entry point's, dots for spaces: ``run``, ``container.run``."""


@hookspec(firstresult=True)
def sampan_open_storage(name: str, root: str, options: Mapping[str, Any]) -> StorageDriver | None:
    """Open the storage driver on ``root``, a directory of its own, made if need be, that survives reboots."""


@hookspec(firstresult=True)
def sampan_open_network(
    name: str, root: str, run_root: str, options: Mapping[str, Any]
) -> NetworkDriver | None:
    """Open the network driver: ``root`` survives reboots, ``run_root`` does not."""


@hookspec(firstresult=True)
def sampan_open_registry(
    name: str, repository: str, host: RegistryHost, options: Mapping[str, Any]
) -> Registry | None:
    """Open one repository (``host[:port]/path``, canonical), or a host alone; ``host`` says how it is reached."""


@hookspec(firstresult=True)
def sampan_open_format(name: str, options: Mapping[str, Any]) -> Format | None:
    """Open the snapshot format: of root file systems, of images, or of both."""


@hookspec(firstresult=True)
def sampan_open_runtime(name: str, run_root: str, options: Mapping[str, Any]) -> Runtime | None:
    """Open the runtime; ``run_root`` is a directory of its own for state that a reboot may wipe."""


@hookspec(firstresult=True)
def sampan_open_logs(name: str, options: Mapping[str, Any]) -> LogDriver | None:
    """Open the log driver."""


@hookspec(firstresult=True)
def sampan_open_volumes(name: str, root: str, options: Mapping[str, Any]) -> VolumeDriver | None:
    """Open the volume driver on ``root``, a directory of its own, made if need be, that survives reboots.

    The plugin that is ``volume_fallback`` in the configuration is asked as well for every ``name`` that no plugin
    claims.
    """
