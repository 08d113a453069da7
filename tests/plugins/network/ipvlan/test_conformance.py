"""ipvlan keeps the contract of a network driver, where the kernel has such links."""

from __future__ import annotations

import socket
import subprocess

import pytest

from sampan.contracts.network import NetworkDriver
from sampan.errors import Unsupported
from sampan.kernel.netlink import Netlink
from sampan.kernel.stacking import knows
from sampan.model.network import Network
from sampan.testing.network import Make, NetworkDriverSuite
from sampan.testing.sandbox import fresh_host
from sampan_plugins.network.ipvlan.driver import IpvlanDriver

with Netlink() as _rtnl:
    KNOWN = knows(_rtnl, "ipvlan")


def opened(root: str, mode: str) -> tuple[NetworkDriver, Network]:
    if "up0" not in [name for _, name in socket.if_nameindex()]:
        for command in ("link add up0 type veth peer name far0", "link set up0 up", "link set far0 up"):
            subprocess.run(["ip", *command.split()], check=True)
    options = {"parent": "up0", "ipvlan_mode": mode}
    return IpvlanDriver(root), Network(id="n1", name="n1", driver="ipvlan", options=options)


if KNOWN:

    class TestIpvlan(NetworkDriverSuite):
        @pytest.fixture
        def make(self) -> Make:
            return lambda root, run_root: opened(root, "l2")

else:

    def test_a_kernel_without_such_links_is_told_of(tmp_path: object) -> None:
        with fresh_host():
            driver, network = opened(f"{tmp_path}/root", "l3")
            with pytest.raises(Unsupported, match="the kernel has no ipvlan links"):
                driver.create(network)
            assert list(driver.endpoints(network)) == []
