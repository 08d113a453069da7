"""Stack links on another: each has the link below in common with its siblings, whatever namespace it is in itself.

What is said of them here is by namespace and index, for a link that is made inside a container's namespace leaves
nothing on the host to find it by. The host knows other namespaces by numbers (``RTM_NEWNSID``, rtnetlink(7)), which
last as long as these, and the index is chosen at random, so that two in a row do not have the same.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable

import msgspec

from sampan.kernel.links import DELLINK, GETLINK, NEWLINK, index
from sampan.kernel.netlink import ACK, CREATE, EXCL, Attribute, Message, Netlink, Refused, absent, attributes, encoded

# linux/if_link.h, linux/net_namespace.h, linux/rtnetlink.h
_ADDRESS, _NAME, _MTU, _LINK, _INFO, _NAMESPACE_FD, _TARGET_NAMESPACE = 1, 3, 4, 5, 18, 28, 46
_INFO_KIND, _INFO_DATA = 1, 2
_VLAN_ID, _VETH_PEER = 1, 1
_NSID, _NSID_FD = 1, 3
_NEWNSID, _GETNSID = 88, 90
_HEADER, _LINK_HEADER, _NSID_HEADER = 16, 32, 20
_IFINFO = struct.Struct("=BxHiII")
_FIRST_INDEX, _INDEXES = 1 << 10, 1 << 20


class Stacked(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is to be made on ``parent``, by its kind as ip-link(8) has it and what is particular to that.

    ``index`` is the number that it gets in its namespace. Without a ``mac`` the kernel gives it one.
    """

    kind: str
    parent: str
    name: str
    index: int
    data: tuple[tuple[int, bytes], ...] = ()
    mac: str = ""
    mtu: int = 0


def any_index() -> int:
    """Return an index at random that is none of the low ones, which the kernel gives."""
    return _FIRST_INDEX + int.from_bytes(os.urandom(4), "big") % _INDEXES


def knows(rtnl: Netlink, kind: str) -> bool:
    """Tell whether the kernel has links of a kind that is stacked; it is asked to make one on nothing. None is made."""
    try:
        rtnl.ask(_new([(_INFO, [(_INFO_KIND, kind)])]))
    except Refused as error:
        return error.errno != errno.EOPNOTSUPP
    return True


def namespace(rtnl: Netlink, descriptor: int) -> int:
    """Return the number by which the caller's namespace knows the one that is open at a descriptor."""
    opened = (_NSID_FD, _word(descriptor))
    try:
        rtnl.ask(Message(_NEWNSID, ACK, bytes(4) + encoded([(_NSID, _word(-1)), opened])))
    except Refused as error:
        if error.errno != errno.EEXIST:
            raise
    answer = rtnl.ask(Message(_GETNSID, ACK, bytes(4) + encoded([opened])))[0]
    return int(struct.unpack("=i", attributes(answer[_NSID_HEADER:])[_NSID])[0])


def request(target: int, stacked: Stacked) -> Message:
    """Return what makes a link, down, in the namespace that is open at the descriptor ``target``."""
    attrs: list[Attribute] = [
        (_NAME, stacked.name),
        (_LINK, _word(index(stacked.parent))),
        (_NAMESPACE_FD, _word(target)),
        _info(stacked.kind, stacked.data),
    ]
    if stacked.mac:
        attrs.append((_ADDRESS, bytes.fromhex(stacked.mac.replace(":", ""))))
    if stacked.mtu:
        attrs.append((_MTU, _word(stacked.mtu)))
    return _new(attrs, stacked.index)


def unstack(rtnl: Netlink, namespace: int, stacked: int, kind: str) -> None:
    """Delete the link of this kind and index in a namespace that is known by this number. Gone: done."""
    where = encoded([(_TARGET_NAMESPACE, _word(namespace))])
    about = _IFINFO.pack(socket.AF_UNSPEC, 0, stacked, 0, 0) + where
    try:
        found = attributes(rtnl.ask(Message(GETLINK, ACK, about))[0][_LINK_HEADER:])
        if attributes(found.get(_INFO, b"")).get(_INFO_KIND, b"").rstrip(b"\0") == kind.encode():
            rtnl.ask(Message(DELLINK, ACK, about))
    except Refused as error:
        if not absent(error) and error.errno != errno.EINVAL:  # what it says of a number that is no namespace's
            raise


def hardware(rtnl: Netlink, name: str) -> str:
    """Return a link's MAC address. Raises Refused."""
    asked = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + encoded([(_NAME, name)])
    return attributes(rtnl.ask(Message(GETLINK, ACK, asked))[0][_LINK_HEADER:])[_ADDRESS].hex(":")


def make_vlan(rtnl: Netlink, parent: str, name: str, number: int) -> None:
    """Make a link, down, that carries what has the tag of a VLAN on ``parent``. Raises Refused."""
    info = _info("vlan", [(_VLAN_ID, struct.pack("=H", number))])
    rtnl.ask(_new([(_NAME, name), (_LINK, _word(index(parent))), info]))


def make_dead_end(rtnl: Netlink, name: str, other: str) -> None:
    """Make a link, down, that leads nowhere: a dummy, or a pair with ``other`` in a kernel without. Raises Refused."""
    try:
        rtnl.ask(_new([(_NAME, name), _info("dummy", [])]))
    except Refused as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        peer = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + encoded([(_NAME, other)])
        rtnl.ask(_new([(_NAME, name), _info("veth", [(_VETH_PEER, peer)])]))


def _info(kind: str, data: Iterable[tuple[int, bytes]]) -> Attribute:
    return (_INFO, [(_INFO_KIND, kind), (_INFO_DATA, [*data])])


def _new(attrs: Iterable[Attribute], index: int = 0) -> Message:
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, index, 0, 0) + encoded(attrs)
    return Message(NEWLINK, CREATE | EXCL | ACK, body)


def _word(value: int) -> bytes:
    return struct.pack("=i", value)
