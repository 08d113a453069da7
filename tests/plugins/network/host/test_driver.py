"""host keeps the contract of a network driver."""

from __future__ import annotations

import pytest

from sampan.model.network import Network
from sampan.testing.network import Make, NetworkDriverSuite
from sampan_plugins.network.host.driver import HostDriver


class TestHost(NetworkDriverSuite):
    @pytest.fixture
    def make(self) -> Make:
        return lambda root, run_root: (HostDriver(), Network(id="host", name="host", driver="host"))
