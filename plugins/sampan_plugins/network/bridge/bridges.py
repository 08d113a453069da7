"""Make, find and join bridges: a container's veth pair has one end on its network's."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from sampan.kernel import links, netns
from sampan.kernel.links import (
    DELADDR,
    GETLINK,
    IFF_LOWER_UP,
    IFF_UP,
    NEWADDR,
    NEWLINK,
    Address,
    address_request,
    index,
    link_request,
    up,
)
from sampan.kernel.netlink import ACK, CREATE, EXCL, Netlink
from sampan.kernel.rtnetlink import Request, decode, messages
from sampan.model import subnet as subnets


def create_bridge(rtnl: Netlink, name: str, gateway: int, mtu: int) -> None:
    """Make a bridge, down, without address or mark. Raises Refused with EEXIST."""
    attrs: list[Any] = [
        ("IFLA_IFNAME", name),
        # A bridge without a MAC of its own takes its ports' lowest, and changes it as they come and go.
        ("IFLA_ADDRESS", subnets.mac(gateway)),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}),
    ]
    if mtu:
        attrs.append(("IFLA_MTU", mtu))
    rtnl.ask(link_request(NEWLINK, CREATE | EXCL | ACK, {}, attrs))


def address_bridge(rtnl: Netlink, name: str, gateways: Collection[Address]) -> None:
    """Give the bridge the gateways' addresses, take away any other, and bring it up."""
    link = index(name)
    missing = {(one.number, one.subnet.prefix, one.subnet.ipv6): one for one in gateways}
    for found in links.addresses(rtnl, link):
        if missing.pop((found.number, found.subnet.prefix, found.subnet.ipv6), None) is None:
            rtnl.ask(address_request(DELADDR, ACK, link, found))
    for one in missing.values():
        rtnl.ask(address_request(NEWADDR, CREATE | EXCL | ACK, link, one))
    rtnl.ask(up(link))


def attach(rtnl: Netlink, bridge: str, ports: Collection[str], *, isolated: bool) -> None:
    """Have ports on a bridge, which may have been made anew; those that are gone are passed over."""
    for port in filter(index, ports):
        rtnl.ask(link_request(NEWLINK, ACK, {"index": index(port)}, [("IFLA_MASTER", index(bridge))]))
        if isolated:
            isolate(rtnl, port)


def belongs(rtnl: Netlink, name: str, alias: str) -> bool:
    """Tell whether a link is the bridge that ``alias`` marks as its owner's.

    So is one that is down and has no mark: its maker was killed between the two requests that making it takes.
    """
    found = decode(messages().link, rtnl.ask(link_request(GETLINK, ACK, {}, [("IFLA_IFNAME", name)]))[0])
    info = found.get_attr("IFLA_LINKINFO")
    if info is None or info.get_attr("IFLA_INFO_KIND") != "bridge":
        return False
    mark = found.get_attr("IFLA_IFALIAS") or ""
    return bool(mark == alias) if mark else not found["flags"] & IFF_UP


def abandoned(rtnl: Netlink, name: str) -> bool:
    """Tell whether a link is a bridge without carrier whose owner, by its mark, was in a directory that is gone."""
    found = decode(messages().link, rtnl.ask(link_request(GETLINK, ACK, {}, [("IFLA_IFNAME", name)]))[0])
    info = found.get_attr("IFLA_LINKINFO")
    if info is None or info.get_attr("IFLA_INFO_KIND") != "bridge" or found["flags"] & IFF_LOWER_UP:
        return False
    mark = found.get_attr("IFLA_IFALIAS") or ""
    return mark.startswith("/") and not os.path.exists(os.path.dirname(mark))


class Plug(msgspec.Struct, frozen=True, kw_only=True):
    """What a container's interface is to be; without a ``name`` it is the first of its ``prefix`` that is free.

    An ``isolated`` one does not reach other isolated ones on the bridge.
    """

    bridge: str
    host_name: str
    mac: str
    mtu: int
    addresses: Sequence[Address]
    name: str = ""
    prefix: str = "eth"
    isolated: bool = False

    @property
    def ipv6(self) -> bool:
        """Whether it has an address of IPv6."""
        return any(address.subnet.ipv6 for address in self.addresses)


def plug(sandbox: str, plug: Plug) -> str:
    """Join the namespace at ``sandbox`` to a bridge and return the new interface's name there.

    The pair is made in one request, its far end directly inside; a second message gives it its addresses and brings
    it up. Raises Refused, and OSError when the sandbox is gone.
    """
    target = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with netns.entered(sandbox):
            inside = Netlink()
            name = plug.name or next(name for n in range(4096) if not index(name := f"{plug.prefix}{n}"))
        with inside, Netlink() as rtnl:
            rtnl.ask(_pair(plug, target, name))
            # A port has no use for addresses, and would tell the container of its own.
            links.set_ipv6(plug.host_name, False)
            if plug.isolated:
                isolate(rtnl, plug.host_name)
            with netns.entered(sandbox):
                link = index(name)
                links.set_ipv6(name, plug.ipv6)
            inside.ask(*(address_request(NEWADDR, CREATE | EXCL | ACK, link, one) for one in plug.addresses), up(link))
            links.wait_until_open(inside, name)
            links.wait_until_open(rtnl, plug.host_name)
            links.wait_until_open(rtnl, plug.bridge)
            if plug.ipv6:
                with netns.entered(sandbox):
                    links.wait_until_settled(name)
                links.wait_until_settled(plug.bridge)
    finally:
        os.close(target)
    return name


def _pair(plug: Plug, target: int, name: str) -> Request:
    peer: list[Any] = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", plug.mac), ("IFLA_NET_NS_FD", target)]
    host: list[Any] = [("IFLA_IFNAME", plug.host_name), ("IFLA_MASTER", index(plug.bridge))]
    if plug.mtu:
        peer.append(("IFLA_MTU", plug.mtu))
        host.append(("IFLA_MTU", plug.mtu))
    pair = {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]}
    host.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", pair)]}))
    return link_request(NEWLINK, CREATE | EXCL | ACK, {"flags": IFF_UP, "change": IFF_UP}, host)


def isolate(rtnl: Netlink, port: str) -> None:
    """Keep a bridge's port from the other isolated ones."""
    data = {"attrs": [("IFLA_BRPORT_ISOLATED", 1)]}
    info = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", data)]}
    rtnl.ask(link_request(NEWLINK, ACK, {"index": index(port)}, [("IFLA_LINKINFO", info)]))
