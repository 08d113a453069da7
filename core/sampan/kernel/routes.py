"""Set the default routes of the caller's network namespace (rtnetlink(7)).

Written by hand: a message of each kind is all there is, and the library that writes any takes longer to import than a
container to start.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

# linux/netlink.h, linux/rtnetlink.h
_REQUEST, _ACK, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_NEWROUTE, _DELROUTE = 24, 25
_HEADER, _ROUTE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBBBBBI"), struct.Struct("=HH")
_OIF, _GATEWAY = 4, 5
_TABLE_MAIN, _PROTO_BOOT, _SCOPE_UNIVERSE, _SCOPE_NOWHERE, _UNICAST = 254, 3, 0, 255, 1


def lead(gateway: str, interface: str) -> None:
    """Make ``gateway``, an IPv4 or IPv6 address, the default route of its family. Raises OSError."""
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    route = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, _PROTO_BOOT, _SCOPE_UNIVERSE, _UNICAST, 0)
    link = struct.pack("=I", socket.if_nametoindex(interface))
    _ask(_NEWROUTE, _CREATE | _REPLACE, route + _attribute(_GATEWAY, socket.inet_pton(family, gateway))
         + _attribute(_OIF, link))


def end(family: int) -> None:
    """Take the default route of a family, ``AF_INET`` or ``AF_INET6``, away. None there: done. Raises OSError."""
    route = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, 0, _SCOPE_NOWHERE, 0, 0)
    try:
        _ask(_DELROUTE, 0, route)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EAFNOSUPPORT):
            raise


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _ask(kind: int, flags: int, payload: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as rtnl:
        rtnl.send(_HEADER.pack(_HEADER.size + len(payload), kind, _REQUEST | _ACK | flags, 1, 0) + payload)
        (code,) = struct.unpack_from("=i", rtnl.recv(1 << 12), _HEADER.size)
    if code:
        raise OSError(-code, os.strerror(-code))
