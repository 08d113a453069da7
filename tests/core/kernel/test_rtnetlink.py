"""Requests go out together, answers are told apart, and the kernel's own words reach the reader."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from sampan.kernel.netlink import ACK, CREATE, DUMP, EXCL, Netlink
from sampan.kernel.rtnetlink import Request, decode, messages
from sampan.testing.sandbox import fresh_host

NEWLINK, GETLINK = 16, 18


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    with fresh_host():
        yield


def bridge(name: str) -> Request:
    info = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    attrs = [("IFLA_IFNAME", name), ("IFLA_LINKINFO", info)]
    return Request(NEWLINK, CREATE | EXCL | ACK, messages().link, {}, attrs)


def links() -> set[str]:
    return {name for _index, name in socket.if_nameindex()}


def test_several_requests_go_out_at_once() -> None:
    with Netlink() as rtnl:
        assert rtnl.ask(bridge("one"), bridge("two")) == []
    assert links() == {"lo", "one", "two"}


def test_the_first_refusal_is_raised_when_all_are_answered() -> None:
    with Netlink() as rtnl:
        rtnl.ask(bridge("one"))
        with pytest.raises(OSError) as caught:
            rtnl.ask(bridge("two"), bridge("one"), bridge("lo"), bridge("three"))
        assert (caught.value.errno, getattr(caught.value, "at", None)) == (errno.EEXIST, 1)
        assert links() == {"lo", "one", "two", "three"}
        rtnl.ask(bridge("four"))


def test_the_kernels_explanation_is_kept() -> None:
    info = {"attrs": [("IFLA_INFO_KIND", "odd")]}
    odd = Request(NEWLINK, CREATE | ACK, messages().link, {}, [("IFLA_LINKINFO", info)])
    with Netlink() as rtnl, pytest.raises(OSError, match="Unknown device type"):
        rtnl.ask(odd)


def test_a_dump_is_read_to_its_end() -> None:
    with Netlink() as rtnl:
        for start in range(0, 60, 20):
            rtnl.ask(*(bridge(f"b{n}") for n in range(start, start + 20)))
        replies = rtnl.ask(Request(GETLINK, DUMP, messages().link, {}))
    found = {decode(messages().link, reply).get_attr("IFLA_IFNAME") for reply in replies}
    assert found == links()
    assert len(found) == 61
