"""Hold the message classes of pyroute2 that a container's connection takes, imported alone.

A module of its own, so that a process which keeps modules for the forks it makes has the classes by having this one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.kernel.rtnetlink import import_alone


class Messages(msgspec.Struct, frozen=True):
    """The classes."""

    link: Any
    address: Any
    route: Any


def _load() -> Messages:
    link, address, route = import_alone(
        "pyroute2.netlink.rtnl.ifinfmsg",
        "pyroute2.netlink.rtnl.ifaddrmsg",
        "pyroute2.netlink.rtnl.rtmsg",
    )
    return Messages(link.ifinfmsg, address.ifaddrmsg, route.rtmsg)


MESSAGES = _load()
