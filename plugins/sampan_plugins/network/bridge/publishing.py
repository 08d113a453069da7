"""Lead what comes to published ports to containers, with nftables: the part of a network's table that does so.

Two maps say where a port leads, one for all of the host's addresses, the other for single ones; a set holds what they
lead to, and so what may pass inwards. Elements come and go with containers, the rules stay as they are:

- what comes to the host from elsewhere, or is sent by the host itself to an address of its own that is not loopback,
  goes to the container instead (destination NAT), by the source's own address;
- what a container on the bridge sends to the host's address does not: it would be answered directly, by an address that
  nobody asked. For it, and for loopback, which has no way out of the host, there is the proxy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from sampan.addressing.ports import ANY
from sampan.kernel import nftables
from sampan.kernel.netlink import ACK, CREATE, Attribute, Message, Netlink, Refused, absent, padded
from sampan.kernel.nftables import DATA, DELSETELEM, EQ, KEY, NEQ, NEWSET, NEWSETELEM, Expression, Table
from sampan.model import subnet as subnets

_MAP = 8
_CT_STATUS, _DESTINATION_CHANGED = 2, 0x20
_ROUTING = "fib"
_ADDRESS_TYPE, _OF_DESTINATION, _LOCAL = 3, 2, 2
_LENGTH = {nftables.IPV4: 4, nftables.IPV6: 16}  # of an address, in bytes
_OWN = {False: (b"\xff\0\0\0", b"\x7f\0\0\0"), True: (b"\xff" * 16, bytes(15) + b"\1")}  # loopback
_LINK_LOCAL = (b"\xff\xc0" + bytes(14), b"\xfe\x80" + bytes(14))
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
# What nft(8) calls the parts of keys, so that it can list them: ipv4_addr, ipv6_addr, inet_proto, inet_service.
_ADDRESSES, _PROTO, _SERVICE = {nftables.IPV4: 7, nftables.IPV6: 8}, 12, 13
_PORTS, _BOUND, _OPEN = "ports", "addressed-ports", "published"
_MOST = 400
"""How many elements go into one message, whose attributes are limited to 64 KiB."""


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
        protocol, target = padded(bytes([_NUMBERS[self.protocol]])), _packed(self.target)
        outside, inside = (padded(port.to_bytes(2, "big")) for port in (self.port, self.target_port))
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


def rules(table: Table, bridge: str, forwards: Iterable[Forward], *, everywhere: bool = True) -> list[Message]:
    """Return what a new table needs, after its chain ``forward`` and before the rules there.

    To lead what comes to any of the host's addresses, ``everywhere``, takes a kernel that can tell which these are
    (nft_fib); without, it is left to the proxy.
    """
    redirecting = _redirecting(table, bridge, everywhere=everywhere)
    return [*_sets(table), _inwards(table, bridge), *redirecting, *elements(table, forwards)]


def _sets(table: Table) -> Iterator[Message]:
    kind, length = _ADDRESSES[table.family], _LENGTH[table.family]
    sets = (
        (_PORTS, _MAP, (_PROTO, _SERVICE), 8), (_BOUND, _MAP, (kind, _PROTO, _SERVICE), length + 8),
        (_OPEN, 0, (kind, _PROTO, _SERVICE), length + 8),
    )  # fmt: skip
    for number, (name, flags, parts, size) in enumerate(sets, 1):
        attributes: list[Attribute] = [(2, name), (4, _concatenated(parts)), (5, size), (10, number)]
        if flags:
            attributes += [(3, flags), (6, _concatenated((kind, _SERVICE))), (7, length + 4)]
        yield table.message(NEWSET, CREATE | ACK, attributes)


def _inwards(table: Table, bridge: str) -> Message:
    """Let in what was led to a published port."""
    return table.rule("forward", [
        *nftables.interface(nftables.OIFNAME, EQ, bridge),
        nftables.conntrack(_CT_STATUS), *nftables.flags(_DESTINATION_CHANGED, NEQ),
        *_destination_and_port(table), ("lookup", [(1, _OPEN), (2, KEY)]), nftables.verdict(nftables.ACCEPT),
    ])  # fmt: skip


def _redirecting(table: Table, bridge: str, *, everywhere: bool) -> Iterator[Message]:
    """Lead packets to containers: those of others as they come in, the host's own as they go out."""
    ipv6, destination = table.family == nftables.IPV6, _destination(table)
    mask, own = _OWN[ipv6]
    foreign = nftables.interface(nftables.IIFNAME, NEQ, bridge)
    outer = [destination, nftables.masked(mask), nftables.compare(NEQ, own)]
    bound = [*_destination_and_port(table), *_led(table, _BOUND)]
    near = [destination, nftables.masked(_LINK_LOCAL[0]), nftables.compare(NEQ, _LINK_LOCAL[1])] if ipv6 else []
    kind: Expression = (_ROUTING, [(1, KEY), (2, _ADDRESS_TYPE), (3, _OF_DESTINATION)])
    local = [kind, nftables.compare(EQ, struct.pack("=I", _LOCAL))]
    anywhere = [*near, *local, *_protocol_and_port(KEY), *_led(table, _PORTS)]
    places = (("prerouting", nftables.PREROUTING, foreign), ("output", nftables.OUTPUT, outer))
    for chain, hook, condition in places:
        yield table.chain(chain, "nat", hook, nftables.DSTNAT)
        yield table.rule(chain, [*condition, *bound])
        if everywhere:
            yield table.rule(chain, [*condition, *anywhere])


def _led(table: Table, where: str) -> list[Expression]:
    """Lead a packet to where a map says that it goes; one that it does not know goes on."""
    port = DATA + _LENGTH[table.family] // 4
    return [
        ("lookup", [(1, where), (2, KEY), (3, DATA)]),
        ("nat", [(1, nftables.TO_DESTINATION), (2, table.family), (3, DATA), (4, DATA), (5, port), (6, port)]),
    ]


def elements(table: Table, forwards: Iterable[Forward], *, remove: bool = False) -> list[Message]:
    """Return what puts elements into the sets and maps, or takes them out."""
    wanted: dict[str, list[Attribute]] = {}
    for name, key, data in dict.fromkeys(one for forward in forwards for one in forward.elements()):
        element: list[Attribute] = [(1, [(1, key)])]
        if data and not remove:
            element.append((2, [(1, data)]))
        wanted.setdefault(name, []).append((1, element))
    kind, flags = (DELSETELEM, ACK) if remove else (NEWSETELEM, CREATE | ACK)
    return [
        table.message(kind, flags, [(2, name), (3, found[at : at + _MOST])])
        for name, found in wanted.items()
        for at in range(0, len(found), _MOST)
    ]


def withdraw(nft: Netlink, table: Table, forwards: Sequence[Forward]) -> None:
    """Take elements out, whichever are there. Raises Refused."""
    try:
        nft.commit(*elements(table, forwards, remove=True))
    except Refused as error:
        if not absent(error):
            raise
        for request in [one for forward in forwards for one in elements(table, [forward], remove=True)]:
            try:
                nft.commit(request)
            except Refused as single:
                if not absent(single):
                    raise


def _destination(table: Table) -> Expression:
    return nftables.payload(nftables.NETWORK, nftables.DESTINATION[table.family], _LENGTH[table.family])


def _destination_and_port(table: Table) -> list[Expression]:
    return [_destination(table), *_protocol_and_port(KEY + _LENGTH[table.family] // 4)]


def _protocol_and_port(register: int) -> list[Expression]:
    return [
        nftables.meta(nftables.L4PROTO, register),
        nftables.payload(nftables.TRANSPORT, nftables.DESTINATION_PORT, 2, register + 1),
    ]


def _concatenated(parts: Iterable[int]) -> int:
    found = 0
    for part in parts:
        found = found << 6 | part
    return found


def _packed(address: str) -> bytes:
    return subnets.packed(subnets.number(address), ":" in address)
