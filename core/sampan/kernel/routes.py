"""Set the default routes of the caller's network namespace (rtnetlink(7))."""

from __future__ import annotations

import errno
import socket
import struct

from sampan.kernel.netlink import ACK, CREATE, REPLACE, Message, Netlink, encoded

# linux/rtnetlink.h
_NEWROUTE, _DELROUTE = 24, 25
_ROUTE = struct.Struct("=BBBBBBBBI")
_OIF, _GATEWAY = 4, 5
_TABLE_MAIN, _PROTO_BOOT, _SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_NOWHERE, _UNICAST = 254, 3, 0, 253, 255, 1


def lead(gateway: str, interface: str) -> None:
    """Make ``gateway``, an IPv4 or IPv6 address, the default route of its family. Raises OSError.

    The unspecified address stands for none: all is in reach of the interface itself.
    """
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    packed = socket.inet_pton(family, gateway)
    scope = _SCOPE_UNIVERSE if any(packed) or family == socket.AF_INET6 else _SCOPE_LINK
    route = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, _PROTO_BOOT, scope, _UNICAST, 0)
    link = struct.pack("=I", socket.if_nametoindex(interface))
    way = encoded([*([(_GATEWAY, packed)] if any(packed) else []), (_OIF, link)])
    with Netlink() as rtnl:
        rtnl.ask(Message(_NEWROUTE, CREATE | REPLACE | ACK, route + way))


def end(family: int, interface: str = "") -> None:
    """Take the default route of a family, ``AF_INET`` or ``AF_INET6``, away; with an ``interface`` only one by that.

    None there: done. Raises OSError.
    """
    route = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, 0, _SCOPE_NOWHERE, 0, 0)
    if interface:
        route += encoded([(_OIF, struct.pack("=I", socket.if_nametoindex(interface)))])
    try:
        with Netlink() as rtnl:
            rtnl.ask(Message(_DELROUTE, ACK, route))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EAFNOSUPPORT):
            raise
