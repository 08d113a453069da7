"""Lead what is sent to one port of an address to another, in the caller's network namespace (nftables).

Written by hand, as ``routes`` is: a few messages are all there is. They go in one batch, which the kernel carries out
as a whole or not at all (linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping

_REQUEST, _ACK, _CREATE, _APPEND = 0x1, 0x4, 0x400, 0x800
_NETFILTER, _NFTABLES, _BATCH_BEGIN, _BATCH_END = 12, 10, 16, 17
_NEWTABLE, _NEWCHAIN, _NEWRULE = (_NFTABLES << 8 | kind for kind in (0, 3, 6))
_HEADER, _FAMILY, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct(">BBH"), struct.Struct("=HH")
_ERROR, _NESTED, _IPV4 = 2, 0x8000, 2
_LOCAL_OUT, _BEFORE_ROUTING = 3, -100
_NETWORK_HEADER, _TRANSPORT_HEADER, _DESTINATION, _DESTINATION_PORT = 1, 2, 16, 2
_PROTOCOL, _EQUAL, _TO_DESTINATION, _REGISTER = 16, 0, 1, 1


def lead(table: str, address: str, port: int, targets: Mapping[int, int]) -> None:
    """Lead what this namespace sends to a port of an IPv4 address to other ports there, one by protocol.

    ``targets`` has them by ``IPPROTO_UDP`` and ``IPPROTO_TCP``. Answers come from ``port``. The rules are in a table of
    this name, and go with the namespace. Raises OSError where the kernel cannot.
    """
    name, chain = _text(1, table), _text(1, table) + _text(3, "output")
    hook = _nested(4, _number(1, _LOCAL_OUT), _number(2, _BEFORE_ROUTING))
    messages = [
        _message(_NEWTABLE, _CREATE, name), _message(_NEWCHAIN, _CREATE, chain + hook + _text(7, "nat")),
        *(_message(_NEWRULE, _CREATE | _APPEND, _text(1, table) + _text(2, "output") + _rule(address, port, *target))
          for target in targets.items()),
    ]
    _ask(messages)


def _rule(address: str, port: int, protocol: int, target: int) -> bytes:
    register = _number(1, _REGISTER)
    return _nested(
        4,
        _expression("payload", _payload(_NETWORK_HEADER, _DESTINATION, 4)),
        _equal(socket.inet_aton(address)),
        _expression("meta", register + _number(2, _PROTOCOL)),
        _equal(bytes((protocol,))),
        _expression("payload", _payload(_TRANSPORT_HEADER, _DESTINATION_PORT, 2)),
        _equal(port.to_bytes(2, "big")),
        _expression("immediate", register + _nested(2, _attribute(1, target.to_bytes(2, "big")))),
        _expression("nat", _number(1, _TO_DESTINATION) + _number(2, _IPV4) + _number(5, _REGISTER)),
    )


def _payload(base: int, offset: int, length: int) -> bytes:
    return _number(1, _REGISTER) + _number(2, base) + _number(3, offset) + _number(4, length)


def _equal(value: bytes) -> bytes:
    return _expression("cmp", _number(1, _REGISTER) + _number(2, _EQUAL) + _nested(3, _attribute(1, value)))


def _expression(name: str, content: bytes) -> bytes:
    return _nested(1, _text(1, name), _attribute(_NESTED | 2, content))


def _nested(kind: int, *content: bytes) -> bytes:
    return _attribute(_NESTED | kind, b"".join(content))


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack(">i", value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _message(kind: int, flags: int, content: bytes, family: int = _IPV4, resource: int = 0) -> bytes:
    body = _FAMILY.pack(family, 0, resource) + content
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body


def _ask(messages: list[bytes]) -> None:
    """Send messages as one batch. The last one alone is acknowledged, and any that is refused."""
    *first, last = messages
    kind, flags = struct.unpack_from("=HH", last, 4)
    acknowledged = last[:4] + struct.pack("=HH", kind, flags | _ACK) + last[8:]
    batch = [_message(mark, 0, b"", 0, _NFTABLES) for mark in (_BATCH_BEGIN, _BATCH_END)]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as netfilter:
        netfilter.send(b"".join([batch[0], *first, acknowledged, batch[1]]))
        kind, code = struct.unpack_from("=4xH10xi", netfilter.recv(1 << 16))
    if kind == _ERROR and code:
        raise OSError(-code, os.strerror(-code))
