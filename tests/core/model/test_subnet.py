"""Subnets are calculated as the standard library would."""

from __future__ import annotations

import ipaddress

import pytest

from sampan.addressing import pools
from sampan.errors import InvalidInput
from sampan.model import subnet


@pytest.mark.parametrize(
    "text", ["10.117.0.0/16", "192.168.7.8/29", "128.0.0.0/1", "10.0.0.0/8", "fd00::/64", "2001:db8::8/125"]
)
def test_as_the_standard_library(text: str) -> None:
    ours, theirs = subnet.parse(text), ipaddress.ip_network(text)
    assert (str(ours), ours.size, ours.last, ours.mask) == (
        str(theirs), theirs.num_addresses, int(theirs.broadcast_address), theirs.netmask.packed
    )


def test_hosts_are_each_yielded_once_and_wrap_around() -> None:
    small = subnet.parse("10.0.0.8/29")
    assert [subnet.text(a)[-2:].strip(".") for a in small.hosts_after(small.base + 4, small)] == [
        "13", "14", "9", "10", "11", "12",
    ]
    assert sorted(small.hosts_after(small.base, small)) == [int(a) for a in ipaddress.ip_network("10.0.0.8/29").hosts()]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("10.0.0.0/8", "10.117.0.0/16", True),
        ("10.117.0.0/16", "10.0.0.0/8", True),
        ("10.117.0.0/16", "10.118.0.0/16", False),
        ("::/1", "10.118.0.0/16", False),
        ("fd00::/8", "fd00:1::/64", True),
    ],
)
def test_overlaps(one: str, other: str, expected: bool) -> None:
    assert subnet.parse(one).overlaps(subnet.parse(other)) is expected


@pytest.mark.parametrize(
    "text", [
        "", "10.0.0.0", "10.0.0.0/", "10.0.0.0/x", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/0", "1.0.0.0/-8",
        "224.1.0.0/16", "ff02::/64",
    ],
)  # fmt: skip
def test_what_is_no_subnet(text: str) -> None:
    with pytest.raises(InvalidInput):
        subnet.parse(text)


def test_hosts_of_a_part() -> None:
    whole = subnet.parse("10.0.0.0/24")
    low, high = subnet.parse_part("10.0.0.0/30", whole), subnet.parse_part("10.0.0.252/30", whole)
    assert [address - whole.base for address in whole.hosts_after(0, low)] == [1, 2, 3]
    assert [address - whole.base for address in whole.hosts_after(whole.base + 253, high)] == [254, 252, 253]
    for text in ("10.0.0.0/23", "10.0.1.0/30", "fd00::/64", "10.0.0.1/30"):
        with pytest.raises(InvalidInput, match=f"invalid ip-range {text}"):
            subnet.parse_part(text, whole)


def test_the_pool_is_private_and_in_order() -> None:
    pool = [ipaddress.ip_network(text) for text in pools.POOL]
    assert all(network.is_private for network in pool)
    assert len(set(pool)) == len(pool) > 100
    assert all(str(subnet.parse(text)) == text for text in pools.POOL)


def test_an_addresss_mac() -> None:
    assert subnet.mac(subnet.number("172.17.0.2")) == "02:42:ac:11:00:02"
