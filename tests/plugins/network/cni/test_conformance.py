"""cni keeps the contract of a network driver, with Debian's plugins."""

from __future__ import annotations

import msgspec
import pytest
from tests.plugins.network.cni.conftest import Configure

from sampan.model.network import Network
from sampan.testing.network import Make, NetworkDriverSuite
from sampan_plugins.network.cni.driver import CniDriver


class TestCni(NetworkDriverSuite):
    crowd = 40  # four programs run for each

    @pytest.fixture(autouse=True)
    def others(self, configure: Configure) -> None:
        """A second network's configuration."""
        self.second = configure({"type": "ptp"}, name="second", subnet="10.56.0.0/16")

    def another(self, network: Network) -> Network:
        return msgspec.structs.replace(network, options={"config": self.second})

    @pytest.fixture
    def make(self, configure: Configure) -> Make:
        ptp = {"type": "ptp", "capabilities": {"ips": True}}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
        network = Network(id="n1", name="n1", driver="cni", options={"config": configure(ptp, ports)})
        return lambda root, run_root: (CniDriver(root, {}), network)
