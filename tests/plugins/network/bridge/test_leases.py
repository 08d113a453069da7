"""Addresses are lent in rising order, and only what is kept on disk counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.errors import Conflict, Corrupt, Unavailable
from sampan_plugins.network.bridge import leases, subnet

SUBNET = subnet.parse("10.55.0.0/29")
GATEWAY = SUBNET.base + 1


def lend(state: leases.Leases, container: str, wanted: str = "") -> str:
    return subnet.text(state.lend(container, SUBNET, GATEWAY, wanted, "veth0").address)


def test_the_gateway_network_and_broadcast_are_never_lent() -> None:
    state = leases.Leases()
    assert [lend(state, f"c{n}") for n in range(5)] == [f"10.55.0.{n}" for n in range(2, 7)]
    with pytest.raises(Unavailable, match=str(SUBNET)):
        lend(state, "c5")


def test_an_address_asked_for_does_not_move_the_order() -> None:
    state = leases.Leases()
    assert lend(state, "c1", "10.55.0.6") == "10.55.0.6"
    assert lend(state, "c2") == "10.55.0.2"
    with pytest.raises(Conflict, match=r"10\.55\.0\.2"):
        lend(state, "c3", "10.55.0.2")


def test_the_order_survives_a_change_of_subnet() -> None:
    assert lend(leases.Leases(last=subnet.number("10.99.0.7")), "c1") == "10.55.0.2"


def test_what_was_saved_is_loaded(tmp_path: object) -> None:
    state = leases.load(str(tmp_path))
    lend(state, "c1")
    leases.save(str(tmp_path), state)
    assert leases.load(str(tmp_path)) == state


def test_what_cannot_be_read_is_named(tmp_path: object) -> None:
    leases.save(str(tmp_path), leases.Leases())
    (path,) = Path(str(tmp_path)).iterdir()
    path.write_text('{"held": 1}')
    with pytest.raises(Corrupt, match=path.name):
        leases.load(str(tmp_path))
