"""bridge keeps the contract of a network driver."""

from __future__ import annotations

import pytest

from sampan.model.network import Network
from sampan.testing.network import Make, NetworkDriverSuite
from sampan_plugins.network.bridge.driver import BridgeDriver


class TestBridge(NetworkDriverSuite):
    @pytest.fixture
    def make(self) -> Make:
        network = Network(id="bridge", name="bridge", driver="bridge")
        return lambda root, run_root: (BridgeDriver(root, run_root, {}), network)


class TestBridgeWithoutFirewall(NetworkDriverSuite):
    crowd = 20  # addresses are lent the same way

    @pytest.fixture
    def make(self) -> Make:
        network = Network(id="bridge", name="bridge", driver="bridge")
        return lambda root, run_root: (BridgeDriver(root, run_root, {"firewall": False}), network)
