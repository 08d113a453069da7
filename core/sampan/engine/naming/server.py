"""Answer a container's questions for names: of the containers on its networks from the store, all others by asking.

A process of its own (see ``name_service``). Whoever is in the container may send it anything and as much as they like:
what it cannot read it refuses, and only so many questions are under way at a time.
"""

from __future__ import annotations

import os
import random
import select
import socket
from collections.abc import Callable
from ipaddress import ip_address
from threading import BoundedSemaphore, Thread, active_count
from typing import Any

import msgspec
from dnslib import AAAA, OPCODE, PTR, QTYPE, RCODE, RR, A, DNSHeader, DNSRecord

from sampan.engine import hostfiles
from sampan.engine.naming import forward
from sampan.engine.naming.service import Order
from sampan.engine.naming.table import NameTable
from sampan.errors import SampanError
from sampan.kernel import processes
from sampan.store.layout import Layout
from sampan.store.store import Store

_TTL = 600
_MOST_FORWARDED = 100
_MOST_CONNECTIONS = 32
_LARGEST_QUERY = 4096
_SMALLEST_ANSWER = 512
"""Bytes that an answer over UDP may have when the query does not say (RFC 1035, 4.2.1)."""
_PATIENCE = 10.0
"""Seconds for the next question on a TCP connection."""
_INTERNET = 1
_REVERSE = {"in-addr.arpa": 4, "ip6.arpa": 32}


def main(order: str) -> None:
    """Serve until nobody has asked for a while, or the process that wanted this has ended."""
    told = msgspec.json.decode(order, type=Order)
    processes.die_with_parent()
    if os.getppid() != told.parent:
        return
    store = Store(Layout(told.root, told.run_root))
    container = store.containers.get(told.container)
    servers = [
        forward.Upstream(address, outside)
        for address, outside in hostfiles.upstreams_of(container.spec, container.endpoints)
    ]
    NameServer(told, NameTable(store, told.container), servers).run()


class NameServer:
    """The server."""

    def __init__(self, order: Order, names: NameTable, servers: list[forward.Upstream]) -> None:
        self._udp = socket.socket(fileno=order.udp)
        self._tcp = socket.socket(fileno=order.tcp)
        self._sandbox = f"/proc/self/fd/{order.sandbox}"
        self._idle = order.idle * 1000 or None
        self._names = names
        self._servers = servers
        self._forwarding = BoundedSemaphore(_MOST_FORWARDED)
        self._connections = BoundedSemaphore(_MOST_CONNECTIONS)

    def run(self) -> None:
        """Serve until nobody has asked for a while, and nothing is under way."""
        poll = select.poll()
        poll.register(self._udp, select.POLLIN)
        poll.register(self._tcp, select.POLLIN)
        while (ready := poll.poll(self._idle)) or active_count() > 1:
            for descriptor, _ in ready:
                try:
                    self._take_datagram() if descriptor == self._udp.fileno() else self._take_connection()
                except OSError:
                    pass  # whoever asked is gone, or no descriptor is left

    def _take_datagram(self) -> None:
        query, peer = self._udp.recvfrom(_LARGEST_QUERY + 1)
        if not _is_query(query):
            return
        answer = self._answer(query, tcp=False)
        if answer is not None:
            self._udp.sendto(answer, peer)
        elif not _aside(self._forwarding, lambda: self._udp.sendto(self._forwarded(query, tcp=False), peer)):
            self._udp.sendto(_failure(query, RCODE.SERVFAIL), peer)

    def _take_connection(self) -> None:
        connection, _ = self._tcp.accept()
        if not _aside(self._connections, lambda: self._converse(connection)):
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_PATIENCE)
            while _is_query(query := forward.receive(connection)):
                answer = self._answer(query, tcp=True)
                if answer is None:
                    answer = self._forwarded(query, tcp=True)
                connection.sendall(forward.framed(answer))

    def _answer(self, query: bytes, *, tcp: bool) -> bytes | None:
        """Return what there is to say here and now; None to ask others."""
        try:
            if len(query) > _LARGEST_QUERY:
                raise ValueError("too large")
            asked = DNSRecord.parse(query)
        except Exception:  # whatever the library makes of bytes that a stranger chose
            return _failure(query, RCODE.FORMERR)
        if asked.header.opcode != OPCODE.QUERY or len(asked.questions) != 1:
            return _failure(query, RCODE.NOTIMP)
        try:
            return self._known(asked, tcp)
        except Exception:  # the store is busy, or a container's name is none that fits into a record
            return _failure(query, RCODE.SERVFAIL)

    def _known(self, asked: DNSRecord, tcp: bool) -> bytes | None:
        """Return what there is to say of a name that is known; None for others."""
        question = asked.q
        name, kind = str(question.qname).removesuffix("."), question.qtype
        records = self._records(name, kind) if question.qclass == _INTERNET else None
        if records is None:
            return None
        reply = asked.reply(aa=0)
        reply.add_answer(*(RR(question.qname, kind, rdata=record, ttl=_TTL) for record in records))
        packed = bytes(reply.pack())
        return packed if tcp or len(packed) <= _room(asked) else bytes(reply.truncate().pack())

    def _records(self, name: str, kind: int) -> list[Any] | None:
        """Return the records of a name; none of this kind where it is known; None where it is not."""
        if kind == QTYPE.PTR:
            address = _reversed(name)
            host = self._names.name(address) if address else None
            return None if host is None else [PTR(host)]
        addresses = self._names.addresses(name, ipv6=kind == QTYPE.AAAA)
        if addresses is None or kind not in (QTYPE.A, QTYPE.AAAA):
            return None if addresses is None else []
        random.shuffle(addresses)
        return [(AAAA if kind == QTYPE.AAAA else A)(address) for address in addresses]

    def _forwarded(self, query: bytes, *, tcp: bool) -> bytes:
        try:
            servers = [one for one in self._servers if not one.outside or self._names.leads_out]
            return forward.forward(query, servers, self._sandbox, tcp=tcp)
        except (SampanError, OSError):
            return _failure(query, RCODE.SERVFAIL)


def _aside(limit: BoundedSemaphore, work: Callable[[], object]) -> bool:
    """Do work in a thread of its own; False where too many are at it."""
    if not limit.acquire(blocking=False):
        return False

    def run() -> None:
        try:
            work()
        except OSError:
            pass  # whoever asked is gone
        finally:
            limit.release()

    try:
        Thread(target=run, daemon=True).start()
    except RuntimeError:  # the kernel has none left
        limit.release()
        return False
    return True


def _is_query(message: bytes) -> bool:
    """Tell whether a message may be a query; nothing else is answered, lest two programs answer each other for ever."""
    return len(message) >= 12 and not message[2] & 0x80


def _failure(query: bytes, code: int) -> bytes:
    """Return the answer that a query is not answered, with its question where it can be read."""
    try:
        return bytes(DNSRecord(DNSHeader(id=int.from_bytes(query[:2], "big"), qr=1, rd=query[2] & 1, ra=1, rcode=code),
                               questions=DNSRecord.parse(query).questions[:1]).pack())
    except Exception:  # as above
        return query[:2] + bytes((0x80 | query[2] & 0x79, 0x80 | code)) + bytes(8)


def _room(asked: DNSRecord) -> int:
    """Return how many bytes an answer over UDP may have (RFC 6891, 6.2.3)."""
    sizes = [record.rclass for record in asked.ar if record.rtype == QTYPE.OPT]
    return max(_SMALLEST_ANSWER, *sizes[:1]) if sizes else _SMALLEST_ANSWER


def _reversed(name: str) -> str | None:
    """Return the address that a name for reverse look-up stands for (RFC 1035, 3.5; RFC 3596, 2.5); None for none."""
    for suffix, length in _REVERSE.items():
        labels = name.lower().removesuffix(f".{suffix}").split(".")[::-1]
        if name.lower().endswith(f".{suffix}") and len(labels) == length:
            text = ".".join(labels) if length == 4 else ":".join(
                "".join(labels[at : at + 4]) for at in range(0, length, 4)
            )
            try:
                return str(ip_address(text))
            except ValueError:
                return None
    return None
