"""Ask name servers, and be one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from dnslib import QTYPE, RCODE, DNSRecord

from sampan.engine.naming.forward import framed, receive
from sampan.kernel import netns

_PATIENCE = 20.0

Answer = Callable[[DNSRecord, bool], DNSRecord | None]
"""What a server answers to a query that came over TCP or not; None: nothing."""


def ask(
    sandbox: str, name: str, kind: str = "A", *, server: str = "127.0.0.11", tcp: bool = False
) -> tuple[str, list[str]]:
    """Return the code of the answer that is had in a network namespace, and its records in order."""
    reply = DNSRecord.parse(send(sandbox, bytes(DNSRecord.question(name, kind).pack()), server=server, tcp=tcp))
    code = "TRUNCATED" if reply.header.tc else RCODE[reply.header.rcode]
    return code, sorted(str(record.rdata).removesuffix(".") for record in reply.rr if QTYPE[record.rtype] == kind)


def send(sandbox: str, query: bytes, *, server: str = "127.0.0.11", tcp: bool = False) -> bytes:
    """Return what a name server in a network namespace answers to these bytes."""
    with connected(sandbox, server, tcp=tcp) as connection:
        connection.sendall(framed(query) if tcp else query)
        return receive(connection) if tcp else connection.recv(1 << 16)


@contextmanager
def connected(sandbox: str, server: str = "127.0.0.11", *, tcp: bool = False) -> Iterator[socket.socket]:
    """Connect to a name server in a network namespace."""
    with netns.entered(sandbox):
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    with connection:
        connection.settimeout(_PATIENCE)
        connection.connect((server, 53))
        yield connection


@contextmanager
def serving(address: str, answer: Answer) -> Iterator[None]:
    """Be the name server at an address of the host."""
    with ExitStack() as stack:
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((address, 53))
        tcp.bind((address, 53))
        tcp.listen()
        for work in (lambda: _datagrams(udp, answer), lambda: _connections(tcp, answer)):
            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join)
        stack.callback(tcp.shutdown, socket.SHUT_RDWR)
        stack.callback(udp.sendto, b"", (address, 53))  # which ends its thread
        yield


def _datagrams(udp: socket.socket, answer: Answer) -> None:
    while True:
        query, peer = udp.recvfrom(1 << 16)
        if not query:
            return
        reply = answer(DNSRecord.parse(query), False)
        if reply is not None:
            udp.sendto(reply.pack(), peer)


def _connections(tcp: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connection, _ = tcp.accept()
        except OSError:
            return
        with connection:
            reply = answer(DNSRecord.parse(receive(connection)), True)
            if reply is not None:
                connection.sendall(framed(bytes(reply.pack())))
