"""Hold a plugin that is installed to the suites of its slot: what ``sampan plugin check`` runs."""

# ruff: noqa: D102 - the fixtures are the suites'
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from sampan.config import Settings
from sampan.model import reference as references
from sampan.model.network import Network
from sampan.plugin.manager import Plugins
from sampan.testing import command, format, log, network, registry, runtime, storage, volume  # noqa: A004
from sampan.testing.asking import Asked
from sampan.testing.plugin import PluginSuite


class TestPlugin(PluginSuite):
    """What is asked of all."""

    @pytest.fixture
    def plugin(self, asked: Asked) -> str:
        return f"{asked.request.slot}/{asked.request.name}"

    @pytest.fixture
    def settings(self, asked: Asked) -> Settings:
        return asked.request.settings


class TestStorage(storage.StorageDriverSuite):
    """Storage drivers."""

    @pytest.fixture
    def make(self, asked: Asked) -> storage.Make:
        return lambda root: asked.plugins.open_storage(asked.request.name, root)


class TestNetwork(network.NetworkDriverSuite):
    """Network drivers."""

    @pytest.fixture
    def make(self, asked: Asked) -> network.Make:
        name = asked.request.name
        settings = Network(id="n1", name="n1", driver=name)
        return lambda root, run_root: (asked.plugins.open_network(name, root, run_root), settings)


class TestRuntime(runtime.RuntimeSuite):
    """Runtimes."""

    @pytest.fixture
    def make(self, asked: Asked) -> runtime.Make:
        return lambda root: asked.plugins.open_runtime(asked.request.name, root)


class TestLogs(log.LogDriverSuite):
    """Log drivers."""

    @pytest.fixture
    def make(self, asked: Asked) -> log.Make:
        return lambda: asked.plugins.open_logs(asked.request.name)

    @pytest.fixture
    def options(self, asked: Asked) -> Mapping[str, str]:
        return asked.request.options


class TestVolumes(volume.VolumeDriverSuite):
    """Volume drivers."""

    @pytest.fixture
    def make(self, asked: Asked) -> volume.Make:
        return lambda root: asked.plugins.open_volumes(asked.request.name, str(root))

    @pytest.fixture
    def options(self, asked: Asked) -> Mapping[str, str]:
        return asked.request.options


class TestRootfsFormat(format.RootfsFormatSuite):
    """Formats of root file systems."""

    @pytest.fixture
    def form(self, asked: Asked) -> Any:
        return asked.plugins.open_format(asked.request.name)


class TestImageFormat(format.ImageFormatSuite):
    """Formats of images."""

    @pytest.fixture
    def form(self, asked: Asked) -> Any:
        return asked.plugins.open_format(asked.request.name)


class TestCommand(command.CommandSuite):
    """Commands."""

    @pytest.fixture
    def name(self, asked: Asked) -> str:
        return asked.request.name

    @pytest.fixture
    def plugins(self, asked: Asked) -> Plugins:
        return asked.plugins


class TestPull(registry.RegistrySuite):
    """Registry clients, on an image that is there."""

    @pytest.fixture
    def subject(self, asked: Asked) -> registry.Subject:
        image = references.parse(asked.request.image)
        missing = f"{image.repository}-{os.urandom(6).hex()}"
        return registry.Subject(
            lambda: asked.repository(image.repository), image.version, lambda: asked.repository(missing))


class TestPush(registry.PushSuite):
    """Registry clients, where something may be put."""

    @pytest.fixture
    def subject(self, asked: Asked) -> registry.PushSubject:
        host, _, path = f"{asked.request.push.rstrip('/')}/{os.urandom(6).hex()}".partition("/")
        return registry.PushSubject(
            lambda word: asked.repository(f"{host}/{path}/{word}"), lambda word: f"{path}/{word}")
