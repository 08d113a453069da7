"""Know links, and change them by netlink (rtnetlink(7)): what every network driver does with them."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from sampan.errors import Unsupported
from sampan.kernel.netlink import ACK, DUMP, Netlink, Refused, absent, attributes
from sampan.kernel.rtnetlink import Request, decode, messages
from sampan.model import subnet as subnets
from sampan.model.subnet import Subnet

# linux/rtnetlink.h
NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, _GETADDR = 20, 21, 22
_GETROUTE = 26
_RT_LOCAL, _RT_BROADCAST, _RT_MULTICAST = 2, 3, 5

_SKIP_STATS = 8
_LINK_HEADER = 32  # nlmsghdr and ifinfomsg
_IFA_F_NODAD, _IFA_F_TENTATIVE = 0x02, 0x40
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_IFLA_QDISC, _IFLA_MASTER, _IFLA_LINKINFO = 6, 10, 18
_IFLA_INFO_KIND, _IFLA_INFO_SLAVE_DATA, _IFLA_BRPORT_STATE = 1, 5, 1
_BR_STATE_FORWARDING = b"\3"

_INET6 = "/proc/sys/net/ipv6/conf"

# netdevice(7)
_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000


def index(name: str) -> int:
    """Return a link's index in the caller's namespace, 0 when there is none. Costs no netlink."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def serves(name: str, address: int) -> bool:
    """Tell whether the link is up and has ``address`` as its first. Costs two ioctls."""
    return is_up(name) and int.from_bytes(_asked(_SIOCGIFADDR, name)[20:24], "big") == address


def is_up(name: str) -> bool:
    """Tell whether there is such a link, and it is up. Costs an ioctl."""
    return bool(struct.unpack_from("=H", _asked(_SIOCGIFFLAGS, name), 16)[0] & IFF_UP)


def leads(name: str) -> bool:
    """Tell whether any link is subordinate to this one, as its ports are to a bridge."""
    with Netlink() as rtnl:
        answers = rtnl.ask(link_request(GETLINK, DUMP, {}))
    masters = (attributes(answer[_LINK_HEADER:]).get(_IFLA_MASTER, bytes(4)) for answer in answers)
    return index(name) in [int.from_bytes(master, sys.byteorder) for master in masters]


def kind(name: str) -> str:
    """Return what a link is, as ip-link(8) calls it; empty for one that is none of these, and where there is none."""
    with Netlink() as rtnl:
        try:
            answer = rtnl.ask(link_request(GETLINK, ACK, {}, [("IFLA_IFNAME", name)]))[0]
        except Refused:
            return ""
    info = attributes(attributes(answer[_LINK_HEADER:]).get(_IFLA_LINKINFO, b""))
    return info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode()


def _asked(question: int, name: str) -> bytes:
    """Return what netdevice(7) answers of a link, zeros where there is nothing to tell."""
    request = struct.pack("40s", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        try:
            return fcntl.ioctl(control, question, request)
        except OSError:
            return bytes(len(request))


class Address(msgspec.Struct, frozen=True):
    """An address of a link, in its subnet. It can be one that reaches no further than the link."""

    number: int
    subnet: Subnet
    local: bool = False


def serves6(name: str, address: int) -> bool:
    """Tell whether the link has this IPv6 address. Costs no netlink."""
    return any(line[0] == subnets.packed(address, True).hex() for line in _lines6(name))


def _lines6(name: str) -> list[list[str]]:
    """Return what /proc/net/if_inet6 says of a link (net/ipv6/addrconf.c): the address first, its flags fifth."""
    try:
        with open("/proc/thread-self/net/if_inet6") as file:
            return [words for words in map(str.split, file) if words[-1] == name]
    except FileNotFoundError:
        return []


def vanishes(name: str) -> bool:
    """Tell whether a link is gone, or goes within 5 ms: the kernel buries a namespace's links when it gets to it."""
    for _attempt in range(10):
        if not index(name):
            return True
        time.sleep(0.0005)
    return not index(name)


def mark(rtnl: Netlink, name: str, alias: str) -> None:
    """Say on a link whose it is. The kernel does not take that with the request that makes it."""
    rtnl.ask(link_request(NEWLINK, ACK, {"index": index(name)}, [("IFLA_IFALIAS", alias)]))


def delete(name: str) -> None:
    """Delete a link, and with a veth its peer. One that does not exist is deleted already."""
    link = index(name)
    if not link:
        return
    with Netlink() as rtnl:
        try:
            rtnl.ask(link_request(DELLINK, ACK, {"index": link}))
        except Refused as error:
            if not absent(error):
                raise


def taken(rtnl: Netlink, besides: str, *, ipv6: bool) -> list[tuple[Subnet, str]]:
    """Return every subnet to which the host has a route or an address, and the link it leads to.

    All routing tables count, default routes and those of the link ``besides`` do not.
    """
    rtmsg = messages().route
    names = dict(socket.if_nameindex())
    found = []
    for reply in rtnl.ask(Request(_GETROUTE, DUMP, rtmsg, {"family": subnets.family(ipv6)})):
        route = decode(rtmsg, reply)
        target, link = route.get_attr("RTA_DST"), names.get(route.get_attr("RTA_OIF"), "")
        skipped = route["type"] in (_RT_BROADCAST, _RT_MULTICAST) or (besides and link == besides)
        if target and route["dst_len"] and not skipped:
            found.append((Subnet(subnets.number(target), route["dst_len"], ipv6), link))
    return found


def wait_until_open(rtnl: Netlink, name: str) -> None:
    """Wait, at most 100 ms, until the link really takes packets.

    A link that is up drops what it is given until the kernel's link watcher has seen its carrier and replaced the
    ``noop`` queue, and a bridge passes nothing through a port that is not forwarding. The first packet of a
    container that is quick would be lost, and it would wait a second for the next.
    """
    for _attempt in range(200):
        reply = rtnl.ask(link_request(GETLINK, ACK, {}, [("IFLA_IFNAME", name), ("IFLA_EXT_MASK", _SKIP_STATS)]))[0]
        found = attributes(reply[_LINK_HEADER:])
        slave = attributes(attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_SLAVE_DATA, b""))
        forwarding = slave.get(_IFLA_BRPORT_STATE, _BR_STATE_FORWARDING) == _BR_STATE_FORWARDING
        if forwarding and not found.get(_IFLA_QDISC, b"").startswith(b"noop"):
            return
        time.sleep(0.0005)


def wait_until_settled(name: str) -> None:
    """Wait, at most 100 ms, until a link answers to its IPv6 addresses, which the kernel gets to in its own time."""
    for _attempt in range(200):
        if not any(int(line[4], 16) & _IFA_F_TENTATIVE for line in _lines6(name)):
            return
        time.sleep(0.0005)


def set_ipv6(name: str, wanted: bool) -> None:
    """Have IPv6 on a link of the caller's namespace, before it is up, or keep it off.

    Where a network has none, link-local addresses would only let containers pose as routers to host and neighbours;
    where it has, nobody else's word is taken for the way, and addresses are ours to know, so that nobody need be asked
    whether they are taken. Raises Unsupported when the kernel has no IPv6.
    """
    knobs = {"disable_ipv6": "0", "accept_ra": "0", "accept_dad": "0"} if wanted else {"disable_ipv6": "1"}
    for knob, value in knobs.items():
        try:
            # Not the process's but the thread's namespace is what /proc/sys/net shows.
            with open(f"{_INET6}/{name}/{knob}", "w") as file:
                file.write(value)
        except FileNotFoundError as error:
            if wanted:
                raise Unsupported("the kernel has no IPv6") from error


def addresses(rtnl: Netlink, link: int) -> Iterator[Address]:
    """Yield the addresses that somebody gave a link."""
    ifaddrmsg = messages().address
    request = Request(_GETADDR, DUMP, ifaddrmsg, {"family": socket.AF_UNSPEC})
    for found in [decode(ifaddrmsg, reply) for reply in rtnl.ask(request)]:
        text = found.get_attr("IFA_LOCAL") or found.get_attr("IFA_ADDRESS")
        if found["index"] == link and found["scope"] != _SCOPE_LINK:
            number, ipv6 = subnets.number(text), found["family"] == socket.AF_INET6
            yield Address(number, Subnet(number, found["prefixlen"], ipv6))


def address_request(kind: int, flags: int, link: int, address: Address) -> Request:
    """Return what gives an address to the link of this index, or takes it away."""
    text, subnet = address.subnet.text(address.number), address.subnet
    attrs = [("IFA_LOCAL", text), ("IFA_ADDRESS", text)]
    if kind == NEWADDR and not subnet.ipv6:
        attrs.append(("IFA_BROADCAST", subnet.text(subnet.last)))
    fields = {
        "family": subnets.family(subnet.ipv6), "prefixlen": subnet.prefix, "index": link,
        "flags": _IFA_F_NODAD if subnet.ipv6 else 0, "scope": _SCOPE_LINK if address.local else _SCOPE_UNIVERSE,
    }  # fmt: skip
    return Request(kind, flags, messages().address, fields, attrs)


def up(link: int) -> Request:
    """Return what brings the link of this index up."""
    return link_request(NEWLINK, ACK, {"index": link, "flags": IFF_UP, "change": IFF_UP})


def link_request(kind: int, flags: int, fields: dict[str, Any], attrs: list[Any] | None = None) -> Request:
    """Return a message of one of the kinds above."""
    return Request(kind, flags, messages().link, fields, attrs or ())
