"""Say which installed plugin is to be checked, and with what."""

from __future__ import annotations

import msgspec
import pytest

from sampan.config import RegistryHost, Settings
from sampan.contracts.registry import Registry
from sampan.plugin.manager import Plugins


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin, the configuration to open it with, and what some slots need besides.

    ``options`` are those that volumes are made, and logs opened with. ``image`` is HOST/REPOSITORY:TAG, to be had from
    a registry; ``push`` is HOST/PATH, below which images may be put there.
    """

    slot: str
    name: str
    settings: Settings
    options: dict[str, str] = {}
    image: str = ""
    push: str = ""


class Asked:
    """A plugin of pytest's, which gives itself to tests as the fixture ``asked``."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.plugins = Plugins(request.settings)

    @pytest.fixture
    def asked(self) -> Asked:
        """Return this."""
        return self

    def repository(self, repository: str) -> Registry:
        """Open a repository, ``host/path``, as the configuration says."""
        host = self.request.settings.registries.get(repository.partition("/")[0], RegistryHost())
        return self.plugins.open_registry(self.request.name, repository, host)
