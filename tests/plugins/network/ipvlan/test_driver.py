"""What the ipvlan driver promises beyond the contract."""

from __future__ import annotations

import pytest
from tests.plugins.network.ipvlan.test_conformance import KNOWN, opened

from sampan.errors import Conflict, InvalidInput
from sampan.kernel import routes
from sampan.model.network import EndpointRequest, Network
from sampan.testing.sandbox import Sandbox, fresh_host, reaches
from sampan_plugins.network.ipvlan.driver import IpvlanDriver


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ipvlan_mode": "l4"}, "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default"),
        ({"ipvlan_flag": "x"}, "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default"),
        ({"parent": "lo"}, "loopback interface is not a valid ipvlan parent link"),
    ],
)
def test_what_it_refuses(tmp_path: object, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        IpvlanDriver(f"{tmp_path}/root").create(Network(id="n1", name="n1", driver="ipvlan", options=options))
    assert str(caught.value) == message


def test_a_mac_address_cannot_be_had(tmp_path: object) -> None:
    with fresh_host():
        driver, network = opened(f"{tmp_path}/root", "l2")
        sandbox = Sandbox()
        request = EndpointRequest(container="c1", mac="02:00:00:00:00:01")
        with pytest.raises(InvalidInput, match="ipvlan interfaces do not support custom mac address assignment"):
            driver.connect(network, sandbox.path, request)
        sandbox.close()


if KNOWN:

    @pytest.mark.parametrize("mode", ["l3", "l3s"])
    def test_in_layer_3_the_link_itself_is_the_way_out(tmp_path: object, mode: str) -> None:
        with fresh_host():
            driver, network = opened(f"{tmp_path}/root", mode)
            one, two = Sandbox(), Sandbox()
            first = driver.connect(network, one.path, EndpointRequest(container="c1"))
            second = driver.connect(network, two.path, EndpointRequest(container="c2"))
            assert (first.gateway, first.mac) == ("0.0.0.0", second.mac)
            with one.entered():
                routes.lead(first.gateway, first.interface)
            assert reaches(one, two, second.address)
            other = Network(id="n2", name="n2", driver="ipvlan", options={"parent": "up0"})
            with pytest.raises(Conflict, match=f"network n1 is already using parent interface up0 in mode {mode}"):
                driver.create(other)
            for sandbox in (one, two):
                sandbox.close()
