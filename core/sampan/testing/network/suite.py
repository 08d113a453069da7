"""Put the checks of a network driver together, and give each a host of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sampan.model.network import Network
from sampan.testing.network.endpoints import EndpointTests
from sampan.testing.network.killed import KilledTests
from sampan.testing.network.networks import NetworkTests
from sampan.testing.network.ports import PortTests
from sampan.testing.network.setting import Make, Setting
from sampan.testing.sandbox import Sandbox, fresh_host


class NetworkDriverSuite(EndpointTests, NetworkTests, PortTests, KilledTests):
    """The contract as tests. Subclasses give the fixture ``make``."""

    def another(self, network: Network) -> Network:
        """Return the settings for one more network; its id and name are the test's to give."""
        return network

    @pytest.fixture
    def make(self) -> Make:
        """Return a function that opens the driver under test, and names a network; derived classes provide it."""
        raise NotImplementedError("a network driver's test provides the fixture make")

    @pytest.fixture(autouse=True)
    def host(self) -> Iterator[Sandbox]:
        """Give the test a host of its own."""
        with fresh_host() as host:
            yield host

    @pytest.fixture
    def setting(self, make: Make, tmp_path: object) -> Iterator[Setting]:
        """Open the driver in fresh directories."""
        setting = Setting(make, str(tmp_path), self.another)
        yield setting
        setting.close()
