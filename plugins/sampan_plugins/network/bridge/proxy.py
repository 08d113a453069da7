"""Carry what comes to a container's published ports to the container, as long as its interface on the host is there.

Run as a file, in an interpreter without site and environment::

    proxy.py READY INTERFACE SOCKET,ADDRESS,PORT…

READY is a descriptor that gets the process id of who serves, each SOCKET one that listens or takes datagrams, ADDRESS
and PORT where the container does. Nothing of Sampan is imported here, so as to take little memory. Connections are
kept with edge-triggered epoll(7): whatever happens to one, both its directions are taken as far as they go.
"""

from __future__ import annotations

import array
import errno
import os
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable

_CHUNK = 1 << 16
_TURN = 16
"""How many chunks one direction may pass before others have their turn."""
_IDLE = 90.0
"""Seconds after which nobody waits for an answer to a datagram any more."""
_IP_PKTINFO, _SO_ATTACH_FILTER, _RTMGRP_LINK = 8, 26, 1
_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Target = tuple[str, int]


class Loop:
    """Waits for all that can happen."""

    def __init__(self) -> None:
        self.busy: set[Connection] = set()
        self.flows: dict[int, Flow] = {}
        self.full: list[Callable[[], None]] = []
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, one: socket.socket, handler: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Have something done when something happens."""
        self._handlers[one.fileno()] = handler
        self._poll.register(one, events)

    def close(self, one: socket.socket) -> None:
        """Close a socket; there is room for those who wait for that."""
        if one.fileno() < 0:
            return
        del self._handlers[one.fileno()]
        one.close()
        self.flows.pop(id(one), None)
        waiting, self.full = self.full, []
        for accept in waiting:
            accept()

    def run(self) -> None:
        """Serve for ever."""
        while True:
            patience = 0.0 if self.busy else _IDLE / 3 if self.flows else None
            for descriptor, _ in self._poll.poll(patience):
                handler = self._handlers.get(descriptor)
                if handler:
                    handler()
            busy, self.busy = self.busy, set()
            for connection in busy:
                connection.pump()
            self._expire()

    def _expire(self) -> None:
        now = time.monotonic()
        for flow in [flow for flow in self.flows.values() if now - flow.last > _IDLE]:
            flow.end()


class Way:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.ended = False
        self._source, self._target = source, target
        self._pending = memoryview(b"")
        self._closing = False

    def pump(self) -> bool:
        """Pass on what there is; tell whether there may be more. Raises OSError when the connection is broken."""
        if self.ended:
            return False
        try:
            for _ in range(_TURN):
                while self._pending:
                    self._pending = self._pending[self._target.send(self._pending) :]
                if self._closing:
                    self.ended = True
                    self._target.shutdown(socket.SHUT_WR)
                    return False
                self._pending = memoryview(self._source.recv(_CHUNK))
                self._closing = not self._pending
        except BlockingIOError:
            return False
        return True


class Connection:
    """A client's connection and the one to the container."""

    def __init__(self, loop: Loop, client: socket.socket, kind: tuple[int, int], target: Target) -> None:
        self._loop = loop
        self._client = client
        self._container = socket.socket(_family(target), *kind)
        try:
            for one in (client, self._container):
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if kind[1] == socket.IPPROTO_TCP:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            failed = self._container.connect_ex(target)
            if failed not in (0, errno.EINPROGRESS):
                raise OSError(failed, os.strerror(failed))
            self._connected = not failed
        except BaseException:
            self._container.close()
            raise
        self._ways = (Way(client, self._container), Way(self._container, client))
        loop.watch(self._container, self.pump, _EVENTS)
        loop.watch(client, self.pump, _EVENTS)

    def pump(self) -> None:
        """Take both directions as far as they go."""
        try:
            if not self._connected and not self._established():
                return
            more = [way.pump() for way in self._ways]
        except OSError:
            self._end()
            return
        if all(way.ended for way in self._ways):
            self._end()
        elif any(more):
            self._loop.busy.add(self)

    def _established(self) -> bool:
        """Tell whether the container has accepted. Raises OSError when it did not."""
        failed = self._container.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, os.strerror(failed))
        try:
            self._container.getpeername()
        except OSError:
            return False
        self._connected = True
        return True

    def _end(self) -> None:
        self._loop.busy.discard(self)
        self._loop.close(self._container)
        self._loop.close(self._client)


class Listener:
    """A published port to which clients connect."""

    def __init__(self, loop: Loop, listening: socket.socket, target: Target) -> None:
        self._loop = loop
        self._listening = listening
        self._target = target
        self._kind = (listening.type, listening.proto)
        # Edge-triggered: when there is no room for another connection, nothing is to wake us all the time.
        loop.watch(listening, self.accept, select.EPOLLIN | select.EPOLLET)

    def accept(self) -> None:
        """Accept all who wait, as long as there is room for them."""
        while True:
            try:
                client, _ = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._loop.full.append(self.accept)
                    return
                continue  # whoever it was has gone
            try:
                Connection(self._loop, client, self._kind, self._target).pump()
            except OSError:
                client.close()


class Flow:
    """What one client of a datagram port and the container say to each other."""

    def __init__(self, port: Datagrams, client: object, local: list[tuple[int, int, bytes]], target: Target) -> None:
        self.last = time.monotonic()
        self._port, self._client, self._local = port, client, local
        self._upstream = socket.socket(_family(target), socket.SOCK_DGRAM)
        try:
            self._upstream.setblocking(False)
            self._upstream.connect(target)
            port.loop.watch(self._upstream, self.answer)
        except BaseException:
            self._upstream.close()
            raise
        port.loop.flows[id(self._upstream)] = self

    def say(self, message: bytes) -> None:
        """Pass on what the client says."""
        self.last = time.monotonic()
        try:
            self._upstream.send(message)
        except OSError:
            pass  # as anywhere, datagrams may be lost

    def answer(self) -> None:
        """Pass on what the container says, from the address that the client spoke to."""
        try:
            message = self._upstream.recv(_CHUNK)
            self.last = time.monotonic()
            self._port.holder.sendmsg([message], self._local, 0, self._client)  # type: ignore[arg-type]  # an address
        except OSError:
            pass  # nobody listens there, or the client is not to be reached

    def end(self) -> None:
        """Forget about it."""
        self._port.known.pop((self._client, self._local[0][2] if self._local else b""), None)
        self._port.loop.close(self._upstream)


class Datagrams:
    """A published port to which clients send datagrams."""

    def __init__(self, loop: Loop, holder: socket.socket, target: Target) -> None:
        self.loop, self.holder = loop, holder
        self.known: dict[tuple[object, bytes], Flow] = {}
        self._target = target
        loop.watch(holder, self._receive)

    def _receive(self) -> None:
        try:
            message, told, _, client = self.holder.recvmsg(_CHUNK, socket.CMSG_SPACE(20))
        except OSError:
            return
        local = [_answering(*one) for one in told if one[1] in (_IP_PKTINFO, socket.IPV6_PKTINFO)]
        key = (client, local[0][2] if local else b"")
        try:
            flow = self.known.get(key) or Flow(self, client, local, self._target)
        except OSError:
            return  # no room for another
        self.known[key] = flow
        flow.say(message)


def _answering(level: int, kind: int, told: bytes) -> tuple[int, int, bytes]:
    """Return what has a datagram leave from the address to which another came (ip(7), ipv6(7)), by any interface."""
    if kind == socket.IPV6_PKTINFO and level == socket.IPPROTO_IPV6:
        link_local = told[0] == 0xFE and told[1] & 0xC0 == 0x80
        return level, kind, told if link_local else told[:16] + bytes(4)
    return level, kind, bytes(4) + told[4:8] + bytes(4)


def _family(target: Target) -> int:
    return socket.AF_INET6 if ":" in target[0] else socket.AF_INET


def _follow(loop: Loop, interface: str) -> None:
    """End when the interface does: rtnetlink(7) tells."""
    index = socket.if_nametoindex(interface)
    links = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    # A classic packet filter, so that other links' comings and goings wake nobody: the index in the message
    # (ifi_index, 4 bytes at 20, which the filter loads as big endian), compared, and all of it or nothing.
    wanted = int.from_bytes(struct.pack("=I", index), "big")
    code = [(0x20, 0, 0, 20), (0x15, 0, 1, wanted), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)]
    program = array.array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in code))
    links.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(code), program.buffer_info()[0]))
    links.bind((0, _RTMGRP_LINK))
    links.setblocking(False)

    def look() -> None:
        try:
            links.recv(_CHUNK)
        except OSError:
            pass
        try:
            present = socket.if_nametoindex(interface) == index
        except OSError:
            present = False
        if not present:
            os._exit(0)

    loop.watch(links, look)
    look()


def main(ready: int, interface: str, *served: str) -> None:
    """Serve, in a process of its own that nobody has to reap."""
    if os.fork():
        os._exit(0)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    loop = Loop()
    _follow(loop, interface)
    for one in served:
        descriptor, address, port = one.split(",")
        holder = socket.socket(fileno=int(descriptor))
        serve = Datagrams if holder.type == socket.SOCK_DGRAM else Listener
        serve(loop, holder, (address, int(port)))
    os.write(ready, str(os.getpid()).encode())
    os.close(ready)
    loop.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
