"""Lead what comes to published ports to containers, with nftables: the part of a network's table that does so.

Two maps say where a port leads, one for all of the host's addresses, the other for single ones; a set holds what they
lead to, and so what may pass inwards. Elements come and go with containers, the rules stay as they are:

- what comes to the host from elsewhere, or is sent by the host itself to an address of its own that is not loopback,
  goes to the container instead (destination NAT), by the source's own address;
- what a container on the bridge sends to the host's address does not: it would be answered directly, by an address that
  nobody asked. For it, and for loopback, which has no way out of the host, there is the proxy.

The messages are put together here byte by byte: it takes a fraction of the time of importing classes for them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.netlink import ACK, APPEND, CREATE, Netlink, Raw, Refused, absent
from sampan_plugins.network.bridge.ports import ANY

# linux/netfilter/nf_tables.h, shifted as nfnetlink wants it
_NFT = 10 << 8
_NEWCHAIN, _NEWRULE, _NEWSET, _NEWSETELEM, _DELSETELEM = (_NFT | n for n in (3, 6, 9, 12, 14))
_BATCH_BEGIN, _BATCH_END = 16, 17
_NESTED = 0x8000
_MAP = 8
_PREROUTING, _OUTPUT, _DSTNAT_PRIORITY = 0, 3, -100
_KEY, _DATA = 8, 16  # the first of the 32-bit registers for what is looked up, and for what is found
_VERDICT, _ACCEPT = 0, 1
_DNAT, _IPV6 = 1, 10
_EQ, _NEQ = 0, 1
_IIFNAME, _OIFNAME, _L4PROTO = 6, 7, 16
_CT_STATUS, _DESTINATION_CHANGED = 2, 0x20
_ADDRESS_TYPE, _OF_DESTINATION, _LOCAL = 3, 2, 2
_NETWORK, _TRANSPORT = 1, 2
_DESTINATION = {False: 16, True: 24}  # where it is in the header, in bytes
_OWN = {False: (b"\xff\0\0\0", b"\x7f\0\0\0"), True: (b"\xff" * 16, bytes(15) + b"\1")}  # loopback
_LINK_LOCAL = (b"\xff\xc0" + bytes(14), b"\xfe\x80" + bytes(14))
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
# What nft(8) calls the parts of keys, so that it can list them: ipv4_addr, ipv6_addr, inet_proto, inet_service.
_ADDRESSES, _PROTO, _SERVICE = {False: 7, True: 8}, 12, 13
_PORTS, _BOUND, _OPEN = "ports", "addressed-ports", "published"
_MOST = 400
"""How many elements go into one message, whose attributes are limited to 64 KiB."""

_Attribute: TypeAlias = "tuple[int, bytes | str | int | list[_Attribute]]"
_Expression: TypeAlias = "tuple[str, list[_Attribute]]"


class Forward(msgspec.Struct, frozen=True):
    """Where a port of the host leads: addresses as text, of one family."""

    protocol: str
    address: str
    port: int
    target: str
    target_port: int

    @property
    def ipv6(self) -> bool:
        """Its family."""
        return ":" in self.target

    def elements(self) -> list[tuple[str, bytes, bytes]]:
        """Return the set or map, key and data of each element that it takes."""
        protocol, target = _padded(bytes([_NUMBERS[self.protocol]])), _packed(self.target)
        outside, inside = (_padded(port.to_bytes(2, "big")) for port in (self.port, self.target_port))
        everywhere = self.address == ANY[self.ipv6]
        key = protocol + outside if everywhere else _packed(self.address) + protocol + outside
        return [(_OPEN, target + protocol + inside, b""), (_PORTS if everywhere else _BOUND, key, target + inside)]


def reaches(address: str) -> bool:
    """Tell whether an address of the host can be led elsewhere: those that do not leave the host or the link cannot."""
    packed = _packed(address)
    own = _OWN[len(packed) == 16]
    return not _within(packed, own) and not (len(packed) == 16 and _within(packed, _LINK_LOCAL))


def _within(packed: bytes, block: tuple[bytes, bytes]) -> bool:
    mask, base = block
    return bytes(one & other for one, other in zip(packed, mask, strict=True)) == base


class Table(msgspec.Struct, frozen=True):
    """A network's table of one family, which is nftables' number for it."""

    name: str
    bridge: str
    family: int

    @property
    def ipv6(self) -> bool:
        """Whether it is IPv6's."""
        return self.family == _IPV6

    @property
    def length(self) -> int:
        """How many bytes an address has."""
        return 16 if self.ipv6 else 4

    def message(self, kind: int, flags: int, attributes: Iterable[_Attribute]) -> Raw:
        """Return a request that concerns the table."""
        body = b"".join(map(_encoded, [(1, self.name), *attributes]))
        return Raw(kind, flags | ACK, struct.pack(">BBH", self.family, 0, 0) + body)

    def rule(self, chain: str, expressions: Iterable[_Expression]) -> Raw:
        """Return a request for a rule at a chain's end."""
        listed: list[_Attribute] = [(1, [(1, name), (2, attributes)]) for name, attributes in expressions]
        return self.message(_NEWRULE, CREATE | APPEND, [(2, chain), (4, listed)])


def rules(table: Table, forwards: Iterable[Forward]) -> list[Raw]:
    """Return what a new table needs, after its chain ``forward`` and before the rules there."""
    return [*_sets(table), _inwards(table), *_redirecting(table), *elements(table, forwards)]


def _sets(table: Table) -> Iterator[Raw]:
    kind, length = _ADDRESSES[table.ipv6], table.length
    sets = (
        (_PORTS, _MAP, (_PROTO, _SERVICE), 8), (_BOUND, _MAP, (kind, _PROTO, _SERVICE), length + 8),
        (_OPEN, 0, (kind, _PROTO, _SERVICE), length + 8),
    )  # fmt: skip
    for number, (name, flags, parts, size) in enumerate(sets, 1):
        attributes: list[_Attribute] = [(2, name), (4, _concatenated(parts)), (5, size), (10, number)]
        if flags:
            attributes += [(3, flags), (6, _concatenated((kind, _SERVICE))), (7, length + 4)]
        yield table.message(_NEWSET, CREATE, attributes)


def _inwards(table: Table) -> Raw:
    """Let in what was led to a published port."""
    changed = struct.pack("=I", _DESTINATION_CHANGED)
    return table.rule("forward", [
        _meta(_OIFNAME), _compare(_EQ, _name(table.bridge)),
        ("ct", [(1, _KEY), (2, _CT_STATUS)]), _masked(changed), _compare(_NEQ, bytes(4)),
        *_destination_and_port(table), ("lookup", [(1, _OPEN), (2, _KEY)]),
        ("immediate", [(1, _VERDICT), (2, [(2, [(1, _ACCEPT)])])]),
    ])  # fmt: skip


def _redirecting(table: Table) -> Iterator[Raw]:
    """Lead packets to containers: those of others as they come in, the host's own as they go out."""
    mask, own = _OWN[table.ipv6]
    foreign = [_meta(_IIFNAME), _compare(_NEQ, _name(table.bridge))]
    outer = [_destination(table), _masked(mask), _compare(_NEQ, own)]
    bound = [*_destination_and_port(table), *_led(table, _BOUND)]
    near = [_destination(table), _masked(_LINK_LOCAL[0]), _compare(_NEQ, _LINK_LOCAL[1])] if table.ipv6 else []
    kind: _Expression = ("fib", [(1, _KEY), (2, _ADDRESS_TYPE), (3, _OF_DESTINATION)])
    local = [kind, _compare(_EQ, struct.pack("=I", _LOCAL))]
    everywhere = [*near, *local, *_protocol_and_port(_KEY), *_led(table, _PORTS)]
    for chain, hook, condition in (("prerouting", _PREROUTING, foreign), ("output", _OUTPUT, outer)):
        place: list[_Attribute] = [(1, hook), (2, _DSTNAT_PRIORITY & 0xFFFFFFFF)]
        yield table.message(_NEWCHAIN, CREATE, [(3, chain), (4, place), (7, "nat")])
        yield table.rule(chain, [*condition, *bound])
        yield table.rule(chain, [*condition, *everywhere])


def _led(table: Table, where: str) -> list[_Expression]:
    """Lead a packet to where a map says that it goes; one that it does not know goes on."""
    address, port = _DATA, _DATA + table.length // 4
    to: list[_Attribute] = [(1, _DNAT), (2, table.family), (3, address), (4, address), (5, port), (6, port)]
    return [("lookup", [(1, where), (2, _KEY), (3, _DATA)]), ("nat", to)]


def elements(table: Table, forwards: Iterable[Forward], *, remove: bool = False) -> list[Raw]:
    """Return what puts elements into the sets and maps, or takes them out."""
    wanted: dict[str, list[_Attribute]] = {}
    for name, key, data in dict.fromkeys(one for forward in forwards for one in forward.elements()):
        element: list[_Attribute] = [(1, [(1, key)])]
        if data and not remove:
            element.append((2, [(1, data)]))
        wanted.setdefault(name, []).append((1, element))
    kind, flags = (_DELSETELEM, 0) if remove else (_NEWSETELEM, CREATE)
    return [
        table.message(kind, flags, [(2, name), (3, found[at : at + _MOST])])
        for name, found in wanted.items()
        for at in range(0, len(found), _MOST)
    ]


def commit(nft: Netlink, requests: Sequence[Raw]) -> None:
    """Carry requests out, all or none. Raises Refused."""
    edges = [Raw(kind, 0, struct.pack(">BBH", 0, 0, 10)) for kind in (_BATCH_BEGIN, _BATCH_END)]
    nft.ask(edges[0], *requests, edges[1])


def withdraw(nft: Netlink, table: Table, forwards: Sequence[Forward]) -> None:
    """Take elements out, whichever are there. Raises Refused."""
    try:
        commit(nft, elements(table, forwards, remove=True))
    except Refused as error:
        if not absent(error):
            raise
        for request in [one for forward in forwards for one in elements(table, [forward], remove=True)]:
            try:
                commit(nft, [request])
            except Refused as single:
                if not absent(single):
                    raise


def _destination(table: Table) -> _Expression:
    return ("payload", [(1, _KEY), (2, _NETWORK), (3, _DESTINATION[table.ipv6]), (4, table.length)])


def _destination_and_port(table: Table) -> list[_Expression]:
    return [_destination(table), *_protocol_and_port(_KEY + table.length // 4)]


def _protocol_and_port(register: int) -> list[_Expression]:
    return [
        ("meta", [(1, register), (2, _L4PROTO)]),
        ("payload", [(1, register + 1), (2, _TRANSPORT), (3, 2), (4, 2)]),
    ]


def _meta(key: int) -> _Expression:
    return ("meta", [(1, _KEY), (2, key)])


def _compare(operation: int, value: bytes) -> _Expression:
    return ("cmp", [(1, _KEY), (2, operation), (3, [(1, value)])])


def _masked(mask: bytes) -> _Expression:
    return ("bitwise", [(1, _KEY), (2, _KEY), (3, len(mask)), (4, [(1, mask)]), (5, [(1, bytes(len(mask)))])])


def _encoded(attribute: _Attribute) -> bytes:
    kind, value = attribute
    if isinstance(value, list):
        kind, value = kind | _NESTED, b"".join(map(_encoded, value))
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = value.to_bytes(4, "big")
    return struct.pack("=HH", 4 + len(value), kind) + _padded(value)


def _padded(value: bytes) -> bytes:
    return value.ljust((len(value) + 3) & ~3, b"\0")


def _name(interface: str) -> bytes:
    return interface.encode().ljust(16, b"\0")


def _concatenated(parts: Iterable[int]) -> int:
    found = 0
    for part in parts:
        found = found << 6 | part
    return found


def _packed(address: str) -> bytes:
    return subnets.packed(subnets.number(address), ":" in address)
