"""Open the bundled registry client as the engine does, through its hook, but with short waits."""

from __future__ import annotations

from typing import Any

from sampan.config import RegistryHost
from sampan_plugins.registries.distribution import plugin
from sampan_plugins.registries.distribution.driver import DistributionRegistry


def open_repository(
    repository: str, *, insecure: bool = False, mirrors: tuple[str, ...] = (), **options: Any
) -> DistributionRegistry:
    """Open ``host[:port]/path``; retries follow each other within milliseconds unless ``options`` say otherwise."""
    table = {"backoff": 0.01, "timeout": 5, "docker_config": "/nonexistent", **options}
    opened = plugin.sampan_open_registry("distribution", repository, RegistryHost(insecure, mirrors), table)
    assert isinstance(opened, DistributionRegistry)
    return opened
