"""Test what the network flags of a new container ask for."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.errors import InvalidInput
from sampan.model.network import Connection
from sampan_plugins.commands._connections import connections


def _of(*networks: str, **flags: Any) -> tuple[Connection, ...]:
    nothing = {
        "net": (), "net_alias": (), "network_alias": (), "ip": None, "ip6": None, "link_local_ip": (),
        "mac_address": None,
    }
    return connections({"network": networks, **nothing, **flags})


def test_nothing_is_asked_of_the_default_network() -> None:
    assert _of() == ()
    assert _of(ip="10.0.0.2") == (Connection(network="", address="10.0.0.2"),)


def test_flags_are_the_first_networks() -> None:
    first, second = _of("a", "b", network_alias=("x", "y"), mac_address="02-00-00-00-AB-01")
    assert first == Connection(network="a", aliases=("x", "y"), mac="02:00:00:00:ab:01")
    assert second == Connection(network="b")


def test_every_field() -> None:
    text = "name=a,alias=x,alias=y,ip=10.0.0.2,ip6=fd00::2,mac-address=02:00:00:00:00:01,link-local-ip=169.254.1.1"
    assert _of(f"{text},driver-opt=k=v,GW-Priority=-3") == (
        Connection(
            network="a", aliases=("x", "y"), address="10.0.0.2", address6="fd00::2", mac="02:00:00:00:00:01",
            link_local=("169.254.1.1",), options={"k": "v"}, priority=-3,
        ),
    )


@pytest.mark.parametrize(
    ("networks", "flags", "message"),
    [
        (("name=a,foo=1",), {}, "invalid field key foo"),
        (("name=a,alias",), {}, "invalid field alias"),
        (("alias=foo",), {}, "network name/id is not specified"),
        (("name=a,gw-priority=x",), {}, r"invalid gw-priority \(x\): invalid syntax"),
        (("name=a,driver-opt=x",), {}, "invalid key/value pair format in driver options"),
        (("name=a,ip6=10.0.0.1",), {}, "invalid IPv6 address: 10.0.0.1"),
        (("name=a,link-local-ip=x",), {}, "Invalid link-local IP address: x"),
        (("a", "a"), {}, 'network "a" is specified multiple times'),
        (("name=a,alias=x",), {"network_alias": ("y",)}, "cannot specify both --network-alias and per-network alias"),
        (("name=a,ip=10.0.0.1",), {"ip": "10.0.0.2"}, "cannot specify both --ip and per-network IPv4 address"),
        (("name=a,ip6=::1",), {"ip6": "::2"}, "cannot specify both --ip6 and per-network IPv6 address"),
        (("name=a,link-local-ip=fe80::1",), {"link_local_ip": ("fe80::2",)}, "and per-network link-local IP addresses"),
        (("a",), {"ip6": "10.0.0.1"}, "invalid IPv6 address: 10.0.0.1"),
        (("a",), {"ip": "10.0.0"}, "invalid IPv4 address: 10.0.0"),
        (("a",), {"mac_address": "zz"}, "zz is not a valid mac address"),
    ],
)
def test_what_makes_no_sense(networks: tuple[str, ...], flags: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _of(*networks, **flags)
