"""Offer the log driver that keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.log import LogDriver
    from sampan.contracts.plugin import PluginInfo

NAME = "none"


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo | None:
    """Tell what this is."""
    if (slot, name) != ("logs", NAME):
        return None
    from sampan.contracts.plugin import PluginInfo

    return PluginInfo(summary="keeps nothing of what containers print", capabilities={"reading": "no"})


@hookimpl
def sampan_open_logs(name: str, options: Mapping[str, Any]) -> LogDriver | None:
    """Open the driver. It has no settings."""
    if name != NAME:
        return None
    if options:
        raise InvalidInput(f"unknown option {min(options)!r} for logs/{NAME}", "it has none")
    from sampan_plugins.logs.none.driver import NoneLogDriver

    return NoneLogDriver()
