"""Who is attached to a container, and what is kept of that while its monitor sleeps."""

from __future__ import annotations

import socket

import msgspec

from sampan.engine import wire


class Connection(msgspec.Struct, frozen=True):
    """A client of the container's streams."""

    descriptor: int
    watches: bool
    types: bool


class Held(msgspec.Struct, frozen=True):
    """The descriptors of a container's streams; -1 for none."""

    outputs: dict[int, str]
    input: int
    console: int
    listener: int
    pidfd: int
    pid: int
    input_ends: bool
    clients: tuple[Connection, ...]

    @property
    def watched(self) -> list[int]:
        """Those at which something can happen."""
        return [*self.outputs, self.listener, self.pidfd, *(client.descriptor for client in self.clients)]

    @property
    def all(self) -> set[int]:
        """All there are."""
        return {*self.watched, self.input, self.console} - {-1}


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.parser = wire.Parser()
        self.waiting = bytearray()
        self.watches = False
        self.types = False

    def push(self) -> bool:
        """Send what waits, as far as the socket takes it; False when the peer is gone."""
        try:
            while self.waiting:
                sent = self.connection.send(memoryview(self.waiting)[: 1 << 18])
                del self.waiting[:sent]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True
