"""Offer the runtime that has a runc-compatible program make the containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import Option, PluginInfo

if TYPE_CHECKING:
    from sampan_plugins.runtimes.oci.driver import OCIRuntime


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="any program with runc's command line: runc, crun, youki",
        options=(Option("binary", "runc", "the program, by name or by path"),),
        capabilities={"pause": "yes", "update": "yes", "stats": "yes", "cgroup": "yes"},
    )


@hookimpl
def sampan_open_runtime(name: str, run_root: str, options: Mapping[str, Any]) -> OCIRuntime:
    """Open the runtime. Raises InvalidInput on an option it does not know, Unsupported without the program."""
    from sampan_plugins.runtimes.oci.driver import OCIRuntime

    return OCIRuntime(run_root, options)
