"""macvlan keeps the contract of a network driver."""

from __future__ import annotations

import socket
import subprocess

import pytest

from sampan.contracts.network import NetworkDriver
from sampan.model.network import Network
from sampan.testing.network import Make, NetworkDriverSuite
from sampan_plugins.network.macvlan.driver import MacvlanDriver


class TestMacvlan(NetworkDriverSuite):
    @pytest.fixture
    def make(self) -> Make:
        network = Network(id="n1", name="n1", driver="macvlan", options={"parent": "up0"})

        def make(root: str, run_root: str) -> tuple[NetworkDriver, Network]:
            if "up0" not in [name for _, name in socket.if_nameindex()]:
                for command in ("link add up0 type veth peer name far0", "link set up0 up", "link set far0 up"):
                    subprocess.run(["ip", *command.split()], check=True)
            return MacvlanDriver(root), network

        return make
