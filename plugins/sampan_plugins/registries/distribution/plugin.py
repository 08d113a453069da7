"""Register the client of OCI distribution and Docker v2 registries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl

if TYPE_CHECKING:
    from sampan.config import RegistryHost
    from sampan.contracts.plugin import PluginInfo
    from sampan.contracts.registry import Registry


@hookimpl
def sampan_plugin_info(slot: str, name: str) -> PluginInfo:
    """Tell what the client is and which options it takes."""
    from sampan.contracts.plugin import PluginInfo
    from sampan_plugins.registries.distribution.options import OPTIONS

    return PluginInfo(
        summary="OCI distribution v1.1 and Docker registry v2, over HTTP",
        options=OPTIONS,
        capabilities={"pull": "yes", "push": "yes", "login": "Basic, Bearer, identity tokens", "resume": "yes"},
    )


@hookimpl
def sampan_open_registry(
    name: str, repository: str, host: RegistryHost, options: Mapping[str, Any]
) -> Registry:
    """Open one repository; nothing is sent before the first question."""
    from sampan_plugins.registries.distribution.driver import DistributionRegistry
    from sampan_plugins.registries.distribution.options import parse

    return DistributionRegistry(repository, host.insecure, host.mirrors, parse(options))
