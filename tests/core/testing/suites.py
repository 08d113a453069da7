"""The suites, on whatever driver noticing.py gives them."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.model.network import Network
from sampan.testing.command import CommandSuite
from sampan.testing.format import RootfsFormatSuite
from sampan.testing.log import LogDriverSuite
from sampan.testing.network import NetworkDriverSuite
from sampan.testing.plugin import PluginSuite
from sampan.testing.registry import LoginSuite, PushSuite, RegistrySuite
from sampan.testing.runtime import RuntimeSuite
from sampan.testing.storage import StorageDriverSuite
from sampan.testing.volume import VolumeDriverSuite


class TestStorage(StorageDriverSuite):
    @pytest.fixture
    def make(self, given: Any) -> Any:
        return given


class TestNetwork(NetworkDriverSuite):
    @pytest.fixture
    def make(self, given: Any) -> Any:
        return lambda root, run_root: (given(root, run_root), Network(id="n1", name="n1", driver="given"))


class TestRuntime(RuntimeSuite):
    @pytest.fixture
    def make(self, given: Any) -> Any:
        return lambda root: given(root, {})


class TestLog(LogDriverSuite):
    @pytest.fixture
    def make(self, given: Any) -> Any:
        return given


class TestVolume(VolumeDriverSuite):
    @pytest.fixture
    def make(self, given: Any) -> Any:
        return lambda root: given(str(root))


class TestRootfs(RootfsFormatSuite):
    @pytest.fixture
    def form(self, given: Any) -> Any:
        return given()


class TestPull(RegistrySuite):
    @pytest.fixture
    def subject(self, given: Any, tmp_path: Any) -> Any:
        return given(tmp_path)


class TestPush(PushSuite):
    @pytest.fixture
    def subject(self, given: Any, tmp_path: Any) -> Any:
        return given(tmp_path)


class TestLogin(LoginSuite):
    @pytest.fixture
    def subject(self, given: Any, tmp_path: Any) -> Any:
        return given(tmp_path)


class TestCommand(CommandSuite):
    @pytest.fixture
    def name(self, given: Any) -> Any:
        return given


class TestPlugin(PluginSuite):
    @pytest.fixture
    def plugin(self, given: Any) -> Any:
        return given
