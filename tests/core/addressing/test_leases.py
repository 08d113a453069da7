"""Addresses are lent in rising order, and only what is kept on disk counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.addressing import leases
from sampan.addressing.leases import Lease, Leases
from sampan.addressing.pools import Plan
from sampan.errors import Conflict, Corrupt, InvalidInput, Unavailable
from sampan.model import subnet

SUBNET = subnet.parse("10.55.0.0/29")
PLAN = Plan(SUBNET, SUBNET.base + 1, SUBNET)
SUBNET6 = subnet.parse("fd00:55::/64")
PLAN6 = Plan(SUBNET6, SUBNET6.base + 1, SUBNET6)


def given(state: Leases[Lease], container: str, plans: list[Plan], wanted: dict[bool, str]) -> Lease:
    address, address6 = state.choose(plans, wanted)
    state.held[container] = Lease(address=address, address6=address6)
    return state.held[container]


def lend(state: Leases[Lease], container: str, wanted: str = "") -> str:
    return subnet.text(given(state, container, [PLAN], {False: wanted}).address)


def test_the_gateway_network_and_broadcast_are_never_lent() -> None:
    state = Leases[Lease]()
    assert [lend(state, f"c{n}") for n in range(5)] == [f"10.55.0.{n}" for n in range(2, 7)]
    with pytest.raises(Unavailable, match=str(SUBNET)):
        lend(state, "c5")


def test_an_address_asked_for_does_not_move_the_order() -> None:
    state = Leases[Lease]()
    assert lend(state, "c1", "10.55.0.6") == "10.55.0.6"
    assert lend(state, "c2") == "10.55.0.2"
    with pytest.raises(Conflict, match=r"10\.55\.0\.2"):
        lend(state, "c3", "10.55.0.2")


def test_the_order_survives_a_change_of_subnet() -> None:
    assert lend(Leases[Lease](last=subnet.number("10.99.0.7")), "c1") == "10.55.0.2"


def test_only_part_of_the_subnet_is_lent_and_nothing_that_is_reserved() -> None:
    part = subnet.parse_part("10.55.0.4/30", SUBNET)
    plan = Plan(SUBNET, SUBNET.base + 1, part, frozenset([SUBNET.base + 5]))
    state = Leases[Lease]()
    lent = [given(state, f"c{n}", [plan], {}).address - SUBNET.base for n in range(2)]
    assert lent == [4, 6]
    with pytest.raises(Unavailable, match=r"no available IPv4 addresses on .* pools: 10\.55\.0\.4/30"):
        given(state, "c2", [plan], {})
    with pytest.raises(Conflict, match=r"Address already in use: 10\.55\.0\.5"):
        given(state, "c3", [plan], {False: "10.55.0.5"})
    assert given(state, "c4", [plan], {False: "10.55.0.2"}).address == SUBNET.base + 2


def test_an_address_of_each_family() -> None:
    state = Leases[Lease]()
    lease = given(state, "c1", [PLAN, PLAN6], {})
    assert (subnet.text(lease.address), subnet.text(lease.address6, ipv6=True)) == ("10.55.0.2", "fd00:55::2")
    second = given(state, "c2", [PLAN6], {True: "fd00:55::1:7"})
    assert (second.address, subnet.text(second.address6, ipv6=True)) == (0, "fd00:55::1:7")
    with pytest.raises(InvalidInput, match="does not belong to any of this network's subnets"):
        given(state, "c3", [PLAN6], {False: "10.55.0.2"})
    assert "c3" not in state.held


def test_what_was_saved_is_loaded(tmp_path: object) -> None:
    state = leases.load(str(tmp_path), Leases[Lease])
    lend(state, "c1")
    leases.save(str(tmp_path), state)
    assert leases.load(str(tmp_path), Leases[Lease]) == state


def test_what_cannot_be_read_is_named(tmp_path: object) -> None:
    leases.save(str(tmp_path), Leases[Lease]())
    (path,) = Path(str(tmp_path)).iterdir()
    path.write_text('{"held": 1}')
    with pytest.raises(Corrupt, match=path.name):
        leases.load(str(tmp_path), Leases[Lease])
