"""Offer the runtime that makes containers with system calls alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.contracts.plugin import PluginInfo

if TYPE_CHECKING:
    from sampan_plugins.runtimes.native.driver import NativeRuntime


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the plugin is."""
    return PluginInfo(
        summary="namespaces, mounts and control groups made by Sampan itself, from an OCI bundle",
        capabilities={"pause": "yes", "update": "yes", "stats": "yes", "cgroup": "yes"},
    )


@hookimpl
def sampan_open_runtime(name: str, run_root: str, options: Mapping[str, Any]) -> NativeRuntime:
    """Open the runtime. Raises InvalidInput on any option: it has none."""
    from sampan_plugins.runtimes.native.driver import NativeRuntime

    return NativeRuntime(run_root, options)
