"""Connect to a running container's streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampan.engine import events, rendezvous, wire
from sampan.engine.wire import Kind
from sampan.errors import Conflict
from sampan.model.container import Container, Status

if TYPE_CHECKING:
    import socket

    from sampan.engine.engine import Engine


class Attachment:
    """The client's end of a container's streams. A context manager; closing it is detaching.

    ``fileno`` lets it take part in select(2); after it is readable, ``receive`` does not wait.
    """

    def __init__(self, connection: socket.socket, container: Container) -> None:
        self._connection = connection
        self._parser = wire.Parser()
        self.container = container
        self.exit_code: int | None = None

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._connection.fileno()

    def first(self) -> tuple[Kind | None, bytes]:
        """Wait for the monitor's first word, STARTED or FAILED; None when it vanished without one."""
        while received := self._connection.recv(5):
            for kind, content in self._parser.feed(received):
                return kind, content
        return None, b""

    def receive(self) -> list[tuple[Kind, bytes]] | None:
        """Return the OUTPUT and ERRORS frames that came, [] when none is whole yet, None when there will be no more.

        ``exit_code`` is set once the container ended; it stays None when its monitor vanished.
        """
        try:
            received = self._connection.recv(wire.LARGEST)
        except ConnectionResetError:
            received = b""
        if not received:
            return None
        frames: list[tuple[Kind, bytes]] = []
        for kind, content in self._parser.feed(received):
            if kind is Kind.EXIT:
                self.exit_code = int(content)
            elif kind in (Kind.OUTPUT, Kind.ERRORS):
                frames.append((kind, content))
        return frames

    def frames(self) -> Iterator[tuple[Kind, bytes]]:
        """Yield OUTPUT and ERRORS frames until the container ends."""
        while (received := self.receive()) is not None:
            yield from received

    def send(self, content: bytes) -> None:
        """Type ``content`` into the container."""
        for start in range(0, len(content), wire.LARGEST):
            self._say(wire.frame(Kind.INPUT, content[start : start + wire.LARGEST]))

    def close_input(self) -> None:
        """End the container's standard input."""
        self._say(wire.frame(Kind.CLOSE_INPUT))

    def resize(self, height: int, width: int) -> None:
        """Tell the container's terminal its size in characters."""
        self._say(wire.resize(height, width))

    def watch(self) -> None:
        """Ask for no output, only to be told of the end."""
        self._say(wire.frame(Kind.WATCH))

    def name_service(self) -> bool:
        """Have the monitor open the container's name service, and wait for it; False when it ends meanwhile."""
        self.watch()
        self._say(wire.frame(Kind.NAMES))
        kind: Kind | None = Kind.OUTPUT
        while kind in (Kind.OUTPUT, Kind.ERRORS):  # until it knows that we only watch
            kind, _ = self.first()
        return kind is Kind.NAMES

    def _say(self, content: bytes) -> None:
        try:
            self._connection.sendall(content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it ended; what it said before is still to be received

    def close(self) -> None:
        """Detach."""
        self._connection.close()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def attach(engine: Engine, text: str) -> Attachment:
    """Connect to the monitor of a running container."""
    container = engine.container(text)
    if not container.alive:
        raise Conflict("You cannot attach to a stopped container, start it first")
    if container.status is Status.PAUSED:
        raise Conflict("You cannot attach to a paused container, unpause it first")
    if container.status is Status.RESTARTING:
        raise Conflict("You cannot attach to a restarting container, wait until it is running")
    attachment = connect(engine, container)
    if attachment is None:
        raise Conflict(f"container {container.name} is ending")
    events.container(engine, container, "attach")
    return attachment


def watch(engine: Engine, container: Container) -> Attachment | None:
    """Connect only to be told of the end; None when the monitor is gone already."""
    attachment = connect(engine, container)
    if attachment is not None:
        attachment.watch()
    return attachment


def connect(engine: Engine, container: Container) -> Attachment | None:
    """Connect to a container's monitor, or return None when it does not listen."""
    try:
        return Attachment(rendezvous.connect(engine.layout.attach_socket(container.id)), container)
    except OSError:
        return None
