"""Speak netlink: put messages together, send them, and read what answers (netlink(7)).

By hand, and so at no cost: libraries that know every message take longer to import than a container to start.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeAlias

# linux/netlink.h
REQUEST, ACK = 0x1, 0x4
EXCL, CREATE = 0x200, 0x400
REPLACE, APPEND = 0x100, 0x800
DUMP = 0x300
NETFILTER = 12
_ERROR, _DONE = 2, 3
_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
_NESTED, _KIND = 0x8000, 0x3FFF
_SOL_NETLINK, _EXT_ACK = 270, 11
_CAPPED, _ACK_TLVS, _EXPLANATION = 0x100, 0x200, 1
_MOST = 1 << 18

# linux/netfilter/nfnetlink.h
_NFNETLINK = struct.Struct(">BBH")
_BATCH_BEGIN, _BATCH_END, _NFTABLES = 16, 17, 10

Attribute: TypeAlias = "tuple[int, bytes | str | int | list[Attribute]]"
"""An attribute's number and value. A text is ended with zero, an int has 32 bits in network order, as nfnetlink wants
it, and a list is of nested attributes; whatever else a value is, it is bytes already."""


class Refused(OSError):
    """The kernel refused a request; ``at`` is its position in what was sent."""

    at: int = 0


class Message:
    """One message: its type, its flags, and a body of bytes."""

    def __init__(self, kind: int, flags: int, body: bytes = b"") -> None:
        self.kind = kind
        self.flags = flags
        self._body = body

    def encode(self, sequence: int) -> bytes:
        """Return the message as it goes over the socket."""
        return _HEADER.pack(_HEADER.size + len(self._body), self.kind, self.flags | REQUEST, sequence, 0) + self._body


class Netlink:
    """A netlink socket in the network namespace in which it was opened. Raises OSError where there is no such."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, *requests: Message) -> list[bytes]:
        """Send requests in one go and return the messages that answer them.

        Raises Refused for the first one refused, when all have been answered.
        """
        first = self._sequence + 1
        self._sequence += len(requests)
        self._socket.send(b"".join(one.encode(first + at) for at, one in enumerate(requests)))
        waiting = {first + at for at, one in enumerate(requests) if one.flags & (ACK | DUMP)}
        replies: list[bytes] = []
        refused: Refused | None = None
        while waiting:
            for sequence, kind, message in _split(self._socket.recv(_MOST)):
                if not first <= sequence <= self._sequence:
                    continue
                if kind == _ERROR:
                    waiting.discard(sequence)
                    refused = _earlier(refused, _refusal(message, sequence - first))
                elif kind == _DONE:
                    waiting.discard(sequence)
                else:
                    replies.append(message)
        if refused:
            raise refused
        return replies

    def commit(self, *requests: Message) -> None:
        """Have nfnetlink carry requests out in one batch, all or none. Raises Refused."""
        begin, end = (Message(kind, 0, nfnetlink(0, _NFTABLES)) for kind in (_BATCH_BEGIN, _BATCH_END))
        self.ask(begin, *requests, end)


def nfnetlink(family: int, resource: int = 0) -> bytes:
    """Return the header that follows netlink's own in messages of nfnetlink."""
    return _NFNETLINK.pack(family, 0, resource)


def encoded(attributes: Iterable[Attribute]) -> bytes:
    """Return attributes one after the other, each padded to four bytes."""
    return b"".join(map(_encoded, attributes))


def _encoded(attribute: Attribute) -> bytes:
    kind, value = attribute
    if isinstance(value, list):
        kind, value = kind | _NESTED, encoded(value)
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = value.to_bytes(4, "big")
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + padded(value)


def padded(value: bytes) -> bytes:
    """Return bytes with zeros to a multiple of four."""
    return value.ljust((len(value) + 3) & ~3, b"\0")


def attributes(payload: bytes) -> dict[int, bytes]:
    """Return attributes by number, undecoded: for a look at one or two, a fraction of the cost of decoding all."""
    found, offset = {}, 0
    while offset + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, offset)
        found[kind & _KIND] = payload[offset + _ATTRIBUTE.size : offset + length]
        offset += max((length + 3) & ~3, _ATTRIBUTE.size)
    return found


def absent(error: OSError) -> bool:
    """Tell whether a refusal means that the thing is not there."""
    return error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def _split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _flags, sequence, _pid = _HEADER.unpack_from(data)
        yield sequence, kind, data[:length]
        data = data[(length + 3) & ~3 :]


def _refusal(message: bytes, at: int) -> Refused | None:
    number = -struct.unpack_from("=i", message, _HEADER.size)[0]
    if not number:
        return None
    refused = Refused(number, os.strerror(number) + _explanation(message))
    refused.at = at
    return refused


def _explanation(message: bytes) -> str:
    """Return what the kernel says beyond the number (NETLINK_EXT_ACK, attribute NLMSGERR_ATTR_MSG), or nothing."""
    flags = struct.unpack_from("=H", message, 6)[0]
    if not flags & _ACK_TLVS:
        return ""
    # Where it is not capped, the request is repeated whole.
    repeated = _HEADER.size if flags & _CAPPED else struct.unpack_from("=I", message, _HEADER.size + 4)[0]
    text = attributes(message[_HEADER.size + 4 + repeated :]).get(_EXPLANATION, b"")
    return f" ({text.rstrip(bytes(1)).decode(errors='replace')})" if text else ""


def _earlier(one: Refused | None, other: Refused | None) -> Refused | None:
    if one and other:
        return one if one.at <= other.at else other
    return one or other
