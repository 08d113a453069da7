"""Carry bytes between a container, its log, and those attached to it, until it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sampan.contracts.runtime import Started, Stdio
from sampan.engine import wire
from sampan.engine.clients import Client, Connection, Held
from sampan.engine.wire import Kind
from sampan.errors import SampanError

if TYPE_CHECKING:
    from sampan.contracts.log import LogWriter, Stream
    from sampan.engine.naming.service import NameService
    from sampan.model.container import ContainerSpec

_CHUNK = 1 << 16
_ENOUGH = 1 << 20
"""Bytes waiting for one client at which the container is made to wait too."""
_GRACE = 0.1
"""Seconds after the end of the container that its pipes are waited for, where somebody outside it holds them open."""
_REST = 1 << 20
"""Bytes that a pipe may still hold then."""


class Streams:
    """The descriptors of one container's standard streams, and a loop over them. A context manager."""

    def __init__(
        self, listener: socket.socket, spec: ContainerSpec, log: LogWriter, names: NameService | None = None
    ) -> None:
        self._spec = spec
        self._log = log
        self._outputs: dict[int, Stream] = {}
        self._input: int | None = None
        self._typed = bytearray()
        self._input_ends = False
        self._console: int | None = None
        self._theirs: tuple[int, ...] = ()
        self._clients: dict[int, Client] = {}
        self._poll = select.poll()
        self._held = False
        self._pidfd = -1
        self.pid = 0
        self._ended = False
        self._listener = listener
        self._poll.register(self._listener, select.POLLIN)
        self._names = names
        self._asked: set[int] = set()
        self._heard: dict[int, Callable[[], None]] = {}
        self._await_questions()

    def log(self, log: LogWriter) -> None:
        """Keep what comes from now on in another log."""
        self._log = log

    def stdio(self) -> Stdio:
        """Make the container's pipes; a container with a terminal gets none."""
        if self._spec.terminal:
            return Stdio()
        output, output_end = os.pipe()
        errors, errors_end = os.pipe()
        self._outputs = {output: "stdout", errors: "stderr"}
        given = None
        if self._spec.open_stdin:
            given, self._input = os.pipe()
        self._theirs = (output_end, errors_end) if given is None else (output_end, errors_end, given)
        return Stdio(stdin=given, stdout=output_end, stderr=errors_end)

    def begin(self, started: Started) -> None:
        """Take charge of the created process and its terminal."""
        for descriptor in self._theirs:
            os.close(descriptor)
        self._theirs = ()
        if started.console is not None:
            self._console = started.console
            self._outputs = {started.console: "stdout"}
            self._input = started.console if self._spec.open_stdin else None
        elif self._input is not None:
            os.set_blocking(self._input, False)
        for descriptor in self._outputs:
            os.set_blocking(descriptor, False)
        self.pid = started.pid
        self._pidfd = os.pidfd_open(started.pid)
        self._poll.register(self._pidfd, select.POLLIN)
        self._hold(False)

    def add_client(self, starter: socket.socket) -> None:
        """Attach whoever started the container; its input ends when that goes."""
        self.admit(starter).types = True

    def admit(self, connection: socket.socket) -> Client:
        """Take on a client."""
        client = self._clients[connection.fileno()] = Client(connection)
        self._poll.register(connection, select.POLLIN)
        return client

    def hear(self, descriptor: int, act: Callable[[], None]) -> None:
        """Call ``act`` when a descriptor of somebody else's can be read, who closes it."""
        self._heard[descriptor] = act
        self._poll.register(descriptor, select.POLLIN)

    def serve(self, ended: Callable[[], None], patience: float = 0.0) -> int | None:
        """Carry bytes until the first process has ended and all output is read; return its wait status.

        ``ended`` is called in between, to end whoever else could write. Where nothing happens, and nothing is under
        way, for ``patience`` seconds (0: for ever), None is returned, and it can be called again.
        """
        status, deadline = None, 0.0
        while status is None or (self._outputs and time.monotonic() < deadline):
            waiting = None if not patience or self._busy() else patience * 1000
            ready = self._poll.poll(waiting if status is None else 20)
            if not ready and status is None:
                return None
            for descriptor, events in ready:
                if descriptor != self._pidfd:
                    self._handle(descriptor, events)
                    continue
                self._poll.unregister(self._pidfd)
                _, status = os.waitpid(self.pid, 0)
                ended()
                deadline = time.monotonic() + _GRACE
                # What is left in the pipes is little: from here on no slow client delays the end.
                self._ended = True
                self._hold(False)
        for descriptor in list(self._outputs):
            self._read_rest(descriptor)
        return status

    def _busy(self) -> bool:
        """Tell whether bytes are on their way that are in no descriptor."""
        clients = self._clients.values()
        return bool(self._typed or self._held or any(client.waiting or client.parser.pending for client in clients))

    def held(self) -> Held:
        """Return the descriptors, for ``resumed``; to be called when nothing is under way."""
        return Held(
            outputs={**self._outputs}, input=_number(self._input), console=_number(self._console),
            listener=self._listener.fileno(), pidfd=self._pidfd, pid=self.pid, input_ends=self._input_ends,
            clients=tuple(
                Connection(number, client.watches, client.types) for number, client in self._clients.items()
            ),
        )

    @classmethod
    def resumed(
        cls, spec: ContainerSpec, log: LogWriter, held: Held, names: NameService | None = None
    ) -> Streams:
        """Return the streams as they were in the process that this one was before it executed itself."""
        streams = cls(socket.socket(fileno=held.listener), spec, log, names)
        streams._outputs = {number: _stream(name) for number, name in held.outputs.items()}
        streams._input = None if held.input < 0 else held.input
        streams._console = None if held.console < 0 else held.console
        streams._input_ends = held.input_ends
        streams.pid, streams._pidfd = held.pid, held.pidfd
        streams._poll.register(held.pidfd, select.POLLIN)
        for connection in held.clients:
            client = streams.admit(socket.socket(fileno=connection.descriptor))
            client.watches, client.types = connection.watches, connection.types
        streams._hold(False)
        return streams

    def finish(self, code: int) -> None:
        """Tell everyone the exit code, after all output, and wait until they have it or are gone."""
        self._accept()
        self._listener.close()
        self._poll = select.poll()
        for client in list(self._clients.values()):
            client.waiting += wire.frame(Kind.EXIT, str(code).encode())
            self._poll.register(client.connection, select.POLLIN | select.POLLOUT)
        while self._clients:
            for descriptor, events in self._poll.poll():
                client = self._clients[descriptor]
                # What is still typed is read, so that nobody waits for its being read before reading.
                gone = events & ~select.POLLOUT and not _read_on(client.connection)
                if gone or not client.push() or not client.waiting:
                    self._poll.unregister(descriptor)
                    self._clients.pop(descriptor).connection.close()

    def finish_aside(self, code: int) -> None:
        """Do that in a process of its own, where the container is not to wait for the slowest of them."""
        self._accept()
        if self._clients and os.fork() == 0:
            try:
                self.finish(code)
            finally:
                os._exit(0)

    def _handle(self, descriptor: int, events: int) -> None:
        """Act on one readiness."""
        if descriptor in self._outputs and events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self._read_output(descriptor)
            if descriptor == self._input and events & select.POLLOUT:
                self._type()
        elif descriptor == self._input:
            self._type()
        elif descriptor == self._listener.fileno():
            self._accept()
        elif descriptor in self._clients:
            self._serve_client(self._clients[descriptor], events)
        elif descriptor in self._asked and self._names is not None:
            self._names.act()
            self._await_questions()
        elif descriptor in self._heard:
            self._heard[descriptor]()

    def _await_questions(self) -> None:
        """Wait for what the name service waits for now."""
        for descriptor in self._asked:
            self._poll.unregister(descriptor)
        self._asked = {*self._names.watched} if self._names is not None else set()
        for descriptor in self._asked:
            self._poll.register(descriptor, select.POLLIN)

    # -- from the container -----------------------------------------------------------------------

    def _read_output(self, descriptor: int) -> None:
        try:
            content = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # what a terminal says when its last user is gone
                raise
            content = b""
        if not content:
            self._drop_output(descriptor)
            return
        stream = self._outputs[descriptor]
        try:
            self._log.write(stream, content, time.time())
        except (SampanError, OSError):
            pass  # a full disk must not end the container: its log has a gap
        framed = wire.frame(Kind.OUTPUT if stream == "stdout" else Kind.ERRORS, content)
        for client in list(self._clients.values()):
            if not client.watches:
                client.waiting += framed
                self._push(client)
        self._hold_if_slow()

    def _read_rest(self, descriptor: int) -> None:
        for _ in range(_REST // _CHUNK):
            if descriptor not in self._outputs or not select.select([descriptor], [], [], 0)[0]:
                return
            self._read_output(descriptor)

    def _drop_output(self, descriptor: int) -> None:
        del self._outputs[descriptor]
        self._poll.unregister(descriptor)
        # A terminal stays open: a new process may still open its other side. It is only not listened to.
        if descriptor != self._console:
            os.close(descriptor)

    def _hold_if_slow(self) -> None:
        slow = not self._ended and any(len(client.waiting) > _ENOUGH for client in self._clients.values())
        if slow != self._held:
            self._hold(slow)

    def _hold(self, held: bool) -> None:
        """Stop or go on reading the container's output."""
        self._held = held
        reading = 0 if held else select.POLLIN
        for descriptor in self._outputs:
            typing = select.POLLOUT if descriptor == self._input and self._typed else 0
            self._poll.register(descriptor, reading | typing)

    # -- to the container -------------------------------------------------------------------------

    def _type(self) -> None:
        """Write what clients typed, as far as the container takes it."""
        if self._input is None:
            return
        try:
            while self._typed:
                written = os.write(self._input, memoryview(self._typed)[:_CHUNK])
                del self._typed[:written]
        except BlockingIOError:
            pass
        except OSError:
            self._typed.clear()
            self._input_ends = True
        self._await_input()
        if self._input_ends and not self._typed and self._input != self._console:
            self._close_input()

    def _await_input(self) -> None:
        if self._input is None:
            return
        if self._input == self._console:
            if self._console in self._outputs:
                self._hold(self._held)
        elif self._typed:
            self._poll.register(self._input, select.POLLOUT)
        else:
            try:
                self._poll.unregister(self._input)
            except KeyError:
                pass  # was not waited for
        for client in self._clients.values():
            self._listen(client)

    def _close_input(self) -> None:
        if self._input is not None and self._input != self._console:
            os.close(self._input)
            self._input = None

    # -- clients ----------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody waits any more, or no descriptor is left for who does
                return
            self.admit(connection)

    def _serve_client(self, client: Client, events: int) -> None:
        if events & select.POLLOUT:
            self._push(client)
            self._hold_if_slow()
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and client.connection.fileno() >= 0:
            try:
                received = client.connection.recv(_CHUNK)
                for kind, content in client.parser.feed(received):
                    self._obey(client, kind, content)
            except BlockingIOError:
                return
            except (OSError, ValueError):  # it is gone, or speaks another language
                received = b""
            if not received and client.connection.fileno() >= 0:
                self._drop(client)

    def _obey(self, client: Client, kind: Kind, content: bytes) -> None:
        if kind is Kind.INPUT:
            client.types = True
            if self._input is not None:
                self._typed += content
                self._type()
        elif kind is Kind.CLOSE_INPUT and self._spec.stdin_once:
            self._end_input()
        elif kind is Kind.RESIZE and self._console is not None:
            fcntl.ioctl(self._console, termios.TIOCSWINSZ, struct.pack("HHHH", *wire.size(content), 0, 0))
        elif kind is Kind.WATCH:
            client.watches = True
        elif kind is Kind.NAMES:
            if self._names is not None:
                self._names.open()
                self._await_questions()
            client.waiting += wire.frame(Kind.NAMES)
            self._push(client)

    def _end_input(self) -> None:
        self._input_ends = True
        self._type()

    def _push(self, client: Client) -> None:
        if client.push():
            self._listen(client)
        else:
            self._drop(client)

    def _listen(self, client: Client) -> None:
        """Wait for what this client may do next; one that types faster than the container reads is made to wait."""
        reading = 0 if len(self._typed) > _ENOUGH else select.POLLIN
        self._poll.register(client.connection, reading | (select.POLLOUT if client.waiting else 0))

    def _drop(self, client: Client) -> None:
        self._poll.unregister(client.connection)
        del self._clients[client.connection.fileno()]
        client.connection.close()
        if self._spec.stdin_once and not self._spec.terminal and client.types:
            self._end_input()
        self._hold_if_slow()

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.connection.close()
        self._listener.close()
        open_ends = {*self._theirs, *self._outputs, self._input, self._console, self._pidfd}
        for descriptor in open_ends - {None, -1}:
            assert descriptor is not None
            os.close(descriptor)


def _number(descriptor: int | None) -> int:
    return -1 if descriptor is None else descriptor


def _stream(name: str) -> Stream:
    return "stderr" if name == "stderr" else "stdout"


def _read_on(connection: socket.socket) -> bool:
    """Read what nobody will use; False when the peer is gone."""
    try:
        return bool(connection.recv(_CHUNK))
    except BlockingIOError:
        return True
    except OSError:
        return False
