"""none keeps the contract of a network driver."""

from __future__ import annotations

import pytest

from sampan.model.network import Network
from sampan.testing.network import Make, NetworkDriverSuite
from sampan_plugins.network.none.driver import NoneDriver


class TestNone(NetworkDriverSuite):
    @pytest.fixture
    def make(self) -> Make:
        return lambda root, run_root: (NoneDriver(), Network(id="none", name="none", driver="none"))
