"""An endpoint's gateway may be somebody's address, or stand for the link itself."""

from __future__ import annotations

from sampan.model.network import Endpoint


def test_a_router_is_somebody() -> None:
    endpoint = Endpoint(network="n", driver="d", gateway="0.0.0.0", gateway6="fd00::1")
    assert (endpoint.router(ipv6=False), endpoint.router(ipv6=True)) == ("", "fd00::1")
