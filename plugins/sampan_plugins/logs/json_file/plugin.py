"""Offer the log driver that writes Docker's json-file format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.log import LogDriver
    from sampan.contracts.plugin import PluginInfo

NAME = "json-file"
_KNOWN = ("max-file", "max-size")


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo | None:
    """Tell what this is, and its options."""
    if (slot, name) != ("logs", NAME):
        return None
    from sampan.contracts.plugin import Option, PluginInfo

    return PluginInfo(
        summary="keeps logs as Docker's json-file driver does, one JSON object per line",
        options=(
            Option("max-size", "-1", "begin a new file at this size (1k, 10m, 1g; decimal); -1: never"),
            Option("max-file", "1", "how many files to keep, the one being written included"),
        ),
        capabilities={"reading": "yes", "follow": "yes", "rotation": "yes"},
    )


@hookimpl
def sampan_open_logs(name: str, options: Mapping[str, Any]) -> LogDriver | None:
    """Open the driver. Its settings are defaults for containers that say nothing else."""
    if name != NAME:
        return None
    unknown = sorted(set(options) - set(_KNOWN))
    if unknown:
        raise InvalidInput(f"unknown option {unknown[0]!r} for logs/{NAME}", f"it knows {' and '.join(_KNOWN)}")
    from sampan_plugins.logs.json_file.driver import JsonFileDriver

    return JsonFileDriver({key: str(value) for key, value in options.items()})
