"""Addresses are lent in rising order, and only what is kept on disk counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.errors import Conflict, Corrupt, InvalidInput, Unavailable
from sampan_plugins.network.bridge import leases, records, subnet

SUBNET = subnet.parse("10.55.0.0/29")
PLAN = records.Plan(SUBNET, SUBNET.base + 1, SUBNET)
SUBNET6 = subnet.parse("fd00:55::/64")
PLAN6 = records.Plan(SUBNET6, SUBNET6.base + 1, SUBNET6)


def lend(state: leases.Leases, container: str, wanted: str = "") -> str:
    return subnet.text(state.lend(container, [PLAN], {False: wanted}, "veth0").address)


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


def test_only_part_of_the_subnet_is_lent_and_nothing_that_is_reserved() -> None:
    part = subnet.parse_part("10.55.0.4/30", SUBNET)
    plan = records.Plan(SUBNET, SUBNET.base + 1, part, frozenset([SUBNET.base + 5]))
    state = leases.Leases()
    lent = [state.lend(f"c{n}", [plan], {}, "veth0").address - SUBNET.base for n in range(2)]
    assert lent == [4, 6]
    with pytest.raises(Unavailable, match=r"no available IPv4 addresses on .* pools: 10\.55\.0\.4/30"):
        state.lend("c2", [plan], {}, "veth0")
    with pytest.raises(Conflict, match=r"Address already in use: 10\.55\.0\.5"):
        state.lend("c3", [plan], {False: "10.55.0.5"}, "veth0")
    assert state.lend("c4", [plan], {False: "10.55.0.2"}, "veth0").address == SUBNET.base + 2


def test_an_address_of_each_family() -> None:
    state = leases.Leases()
    lease = state.lend("c1", [PLAN, PLAN6], {}, "veth0")
    assert (subnet.text(lease.address), subnet.text(lease.address6, ipv6=True)) == ("10.55.0.2", "fd00:55::2")
    second = state.lend("c2", [PLAN6], {True: "fd00:55::1:7"}, "veth0")
    assert (second.address, subnet.text(second.address6, ipv6=True)) == (0, "fd00:55::1:7")
    with pytest.raises(InvalidInput, match="does not belong to any of this network's subnets"):
        state.lend("c3", [PLAN6], {False: "10.55.0.2"}, "veth0")
    assert "c3" not in state.held


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
