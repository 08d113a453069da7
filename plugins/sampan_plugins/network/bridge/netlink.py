"""Speak netlink with pyroute2's message classes over a plain socket.

Importing anything of pyroute2 runs its root module, which imports the whole library, asyncio and ssl included:
130-160 ms on the way to a container that starts in a third of that. Its message classes alone take 15-35 ms. So they
are imported with a bare parent module in the root's place, which is taken away again at once, together with
what was imported below it: a later ``import pyroute2`` by anybody gets the whole library, untouched.
This happens in ``import_alone`` and nowhere else.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan_plugins.network.bridge.messages import Messages

# linux/netlink.h
REQUEST, ACK = 0x1, 0x4
EXCL, CREATE = 0x200, 0x400
REPLACE, APPEND = 0x100, 0x800
DUMP = 0x300
_ERROR, _DONE = 2, 3
_MULTI = 0x2
_HEADER = struct.Struct("=IHHII")
_SOL_NETLINK, _EXT_ACK = 270, 11


class Refused(OSError):
    """The kernel refused a request; ``at`` is its position in what was sent."""

    at: int = 0


class Request:
    """One netlink message: its type, its flags, a pyroute2 message class, header fields and attributes."""

    def __init__(
        self, kind: int, flags: int, message: Any, fields: dict[str, Any], attrs: Sequence[Any] = ()
    ) -> None:
        self.flags = flags
        self._kind = kind
        self._message = message
        self._fields = fields
        self._attrs = attrs

    def encode(self, sequence: int) -> bytes:
        """Return the message as it goes over the socket."""
        message = self._message()
        message["header"]["type"] = self._kind
        message["header"]["flags"] = self.flags | REQUEST
        message["header"]["sequence_number"] = sequence
        message["header"]["pid"] = 0
        for name, value in self._fields.items():
            message[name] = value
        message["attrs"] = list(self._attrs)
        message.encode()
        return bytes(message.data)


class Raw(Request):
    """One netlink message whose body is bytes already."""

    def __init__(self, kind: int, flags: int, body: bytes) -> None:
        super().__init__(kind, flags, None, {})
        self._body = body

    def encode(self, sequence: int) -> bytes:
        """Return the message as it goes over the socket."""
        return _HEADER.pack(_HEADER.size + len(self._body), self._kind, self.flags | REQUEST, sequence, 0) + self._body


class Netlink:
    """A netlink socket in the network namespace in which it was opened."""

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

    def ask(self, *requests: Request) -> list[bytes]:
        """Send requests in one go and return the messages that answer them.

        Raises Refused for the first one refused, when all have been answered.
        """
        first = self._sequence + 1
        self._sequence += len(requests)
        self._socket.send(b"".join(r.encode(first + i) for i, r in enumerate(requests)))
        waiting = {first + i for i, r in enumerate(requests) if r.flags & (ACK | DUMP)}
        replies: list[bytes] = []
        refused: Refused | None = None
        while waiting:
            for sequence, kind, message in _split(self._socket.recv(1 << 18)):
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
    if not struct.unpack_from("=H", message, 6)[0] & 0x200:  # NLM_F_ACK_TLVS
        return ""
    capped = struct.unpack_from("=H", message, 6)[0] & 0x100  # NLM_F_CAPPED: the request is not repeated whole
    offset = _HEADER.size + 4 + (_HEADER.size if capped else struct.unpack_from("=I", message, 20)[0])
    text = attributes(message[offset:]).get(1, b"").rstrip(b"\0").decode(errors="replace")
    return f" ({text})" if text else ""


def _earlier(one: Refused | None, other: Refused | None) -> Refused | None:
    if one and other:
        return one if one.at <= other.at else other
    return one or other


def decode(message_class: Any, message: bytes) -> Any:
    """Decode one answer."""
    decoded = message_class(message)
    decoded.decode()
    return decoded


def messages() -> Messages:
    """Return the message classes. Not for use while another thread imports pyroute2."""
    from sampan_plugins.network.bridge.messages import MESSAGES

    return MESSAGES


def import_alone(*names: str) -> list[ModuleType]:
    """Import modules of pyroute2 without its root, as a copy that nobody else sees."""
    from importlib import import_module
    from importlib.machinery import PathFinder

    spec = None if "pyroute2" in sys.modules else PathFinder.find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        return [import_module(name) for name in names]
    parent = ModuleType("pyroute2")
    parent.__path__ = list(spec.submodule_search_locations)
    sys.modules["pyroute2"] = parent
    try:
        return [import_module(name) for name in names]
    finally:
        for key in [key for key in sys.modules if key == "pyroute2" or key.startswith("pyroute2.")]:
            del sys.modules[key]


def attributes(payload: bytes) -> dict[int, bytes]:
    """Return attributes by number, undecoded: for a look at one or two, a fraction of the cost of decoding all."""
    found, offset = {}, 0
    while offset + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, offset)
        found[kind & 0x3FFF] = payload[offset + 4 : offset + length]
        offset += max((length + 3) & ~3, 4)
    return found


def absent(error: OSError) -> bool:
    """Tell whether a refusal means that the thing is not there."""
    return error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO)
