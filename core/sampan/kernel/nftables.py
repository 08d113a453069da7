"""Put rules of nftables together: requests for a table and what is in it, and the expressions of which rules are made.

The numbers are those of linux/netfilter/nf_tables.h. Expressions work with 32-bit registers, of which ``KEY`` is the
first for what is looked at, and ``DATA`` for what is found.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TypeAlias

from sampan.kernel.netlink import ACK, APPEND, CREATE, Attribute, Message, encoded, nfnetlink

_NFT = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE = (_NFT | n for n in (0, 1, 2, 3, 4, 6, 7))
NEWSET, NEWSETELEM, DELSETELEM, GETGEN = (_NFT | n for n in (9, 12, 14, 16))
HEADER = 20
"""How long nlmsghdr and nfgenmsg are, in bytes, after which an answer's attributes begin."""
IPV4, IPV6 = 2, 10
PREROUTING, FORWARD, OUTPUT, POSTROUTING = 0, 2, 3, 4
DSTNAT, FILTER, SRCNAT = -100, 0, 100
"""Priorities of chains."""
KEY, DATA = 8, 16
_VERDICT = 0
DROP, ACCEPT = 0, 1
EQ, NEQ = 0, 1
IIFNAME, OIFNAME, L4PROTO = 6, 7, 16
NETWORK, TRANSPORT = 1, 2
TO_SOURCE, TO_DESTINATION = 0, 1
DESTINATION_PORT = 2
"""Where it is in the transport header, in bytes."""
DESTINATION = {IPV4: 16, IPV6: 24}
SOURCE = {IPV4: 12, IPV6: 8}
"""Where the addresses are in the network header."""

Expression: TypeAlias = "tuple[str, list[Attribute]]"


class Table:
    """A table of one family, ``IPV4`` or ``IPV6``; its methods return requests."""

    def __init__(self, name: str, family: int) -> None:
        self.name = name
        self.family = family

    def message(self, kind: int, flags: int, attributes: Iterable[Attribute] = ()) -> Message:
        """Return a request that concerns the table, or something in it."""
        return Message(kind, flags, nfnetlink(self.family) + encoded([(1, self.name), *attributes]))

    def get(self) -> Message:
        """Ask for the table."""
        return self.message(_GETTABLE, ACK)

    def get_chain(self, chain: str) -> Message:
        """Ask for a chain."""
        return self.message(_GETCHAIN, ACK, [(3, chain)])

    def get_rules(self, chain: str, flags: int) -> Message:
        """Ask for a chain's rules."""
        return self.message(_GETRULE, flags, [(2, chain)])

    def make(self) -> Message:
        """Have the table made unless it is there."""
        return self.message(_NEWTABLE, CREATE | ACK)

    def delete(self) -> Message:
        """Have the table removed."""
        return self.message(_DELTABLE, ACK)

    def chain(self, name: str, kind: str, hook: int, priority: int) -> Message:
        """Have a base chain made."""
        place: list[Attribute] = [(1, hook), (2, priority & 0xFFFFFFFF)]
        return self.message(_NEWCHAIN, CREATE | ACK, [(3, name), (4, place), (7, kind)])

    def rule(self, chain: str, expressions: Iterable[Expression]) -> Message:
        """Have a rule put at a chain's end."""
        listed: list[Attribute] = [(1, [(1, name), (2, attributes)]) for name, attributes in expressions]
        return self.message(_NEWRULE, CREATE | APPEND | ACK, [(2, chain), (4, listed)])


def payload(base: int, offset: int, length: int, register: int = KEY) -> Expression:
    """Load bytes of a packet's header."""
    return "payload", [(1, register), (2, base), (3, offset), (4, length)]


def meta(what: int, register: int = KEY) -> Expression:
    """Load what is known of a packet besides."""
    return "meta", [(1, register), (2, what)]


def conntrack(what: int) -> Expression:
    """Load what is known of a packet's connection."""
    return "ct", [(1, KEY), (2, what)]


def masked(mask: bytes) -> Expression:
    """Keep the bits of a mask."""
    return "bitwise", [(1, KEY), (2, KEY), (3, len(mask)), (4, [(1, mask)]), (5, [(1, bytes(len(mask)))])]


def compare(operation: int, value: bytes) -> Expression:
    """Go on only if what was loaded is, or is not, a value."""
    return "cmp", [(1, KEY), (2, operation), (3, [(1, value)])]


def flags(mask: int, operation: int) -> list[Expression]:
    """Go on only if none, ``EQ``, or any, ``NEQ``, of some bits is set in a number that was loaded."""
    return [masked(struct.pack("=I", mask)), compare(operation, bytes(4))]


def interface(which: int, operation: int, name: str) -> list[Expression]:
    """Go on only if a packet comes from an interface, or leaves by it: ``IIFNAME`` or ``OIFNAME``."""
    return [meta(which), compare(operation, name.encode().ljust(16, b"\0"))]


def constant(value: bytes, register: int = DATA) -> Expression:
    """Load a value."""
    return "immediate", [(1, register), (2, [(1, value)])]


def verdict(code: int) -> Expression:
    """Be done with a packet."""
    return "immediate", [(1, _VERDICT), (2, [(2, [(1, code)])])]
