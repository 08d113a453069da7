"""Ask the servers that a container's questions go to when nobody here has the answer."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence

import msgspec

from sampan.errors import Unavailable
from sampan.kernel import netns

_PORT = 53
_PATIENCE = 4.0
"""Seconds for one server."""
_LARGEST = (1 << 16) - 1
_SERVFAIL, _REFUSED = 2, 5


class Upstream(msgspec.Struct, frozen=True):
    """A server; ``outside`` is one that is asked from the host's network, where it alone can be reached."""

    address: str
    outside: bool = False


def forward(query: bytes, servers: Sequence[Upstream], sandbox: str, *, tcp: bool) -> bytes:
    """Return the first good answer to a query, else the last one there is, for the way that the query came.

    From ``sandbox``, the path of the network namespace of who asks. Raises Unavailable when no server answers.
    """
    answer = b""
    for server in servers:
        try:
            answer = _asked(query, server, sandbox, tcp)
        except OSError:
            continue
        if answer[3] & 0xF not in (_SERVFAIL, _REFUSED):
            break
    if not answer:
        raise Unavailable("no name server answers")
    return query[:2] + answer[2:]


def _asked(query: bytes, server: Upstream, sandbox: str, tcp: bool) -> bytes:
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    deadline = time.monotonic() + _PATIENCE
    sent = os.urandom(2) + query[2:]  # whoever asks does not choose what a stranger would have to guess
    with _socket(server, sandbox, kind) as connection:
        connection.settimeout(_PATIENCE)
        # Connected, so that the kernel drops what anybody else sends; from a port that it chooses at random.
        connection.connect((server.address, _PORT))
        connection.sendall(framed(sent) if tcp else sent)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            answer = receive(connection) if tcp else connection.recv(_LARGEST)
            if _answers(answer, sent):
                return answer
            if tcp:
                break
    raise TimeoutError


def _socket(server: Upstream, sandbox: str, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    if server.outside:
        return socket.socket(family, kind)
    with netns.entered(sandbox):
        return socket.socket(family, kind)


def _answers(answer: bytes, query: bytes) -> bool:
    """Tell whether an answer is one to the query: its id, and its question where it repeats it."""
    if len(answer) < 12 or answer[:2] != query[:2] or not answer[2] & 0x80:
        return False
    end = question_end(query)
    return answer[4:6] == b"\0\0" or answer[12:end].lower() == query[12:end].lower()


def question_end(query: bytes) -> int:
    """Return where a query's one question ends (RFC 1035, 4.1.2)."""
    at = 12
    while at < len(query) and query[at]:
        at += query[at] + 1
    return at + 5


def framed(message: bytes) -> bytes:
    """Return a message as it goes over TCP (RFC 1035, 4.2.2)."""
    return len(message).to_bytes(2, "big") + message


def receive(connection: socket.socket) -> bytes:
    """Read one message from a TCP connection; empty at its end. Raises OSError."""
    length = int.from_bytes(_exactly(connection, 2), "big")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = connection.recv(length - len(found))
        if not part:
            return b""
        found += part
    return found
