"""Carry out one command in a fork of the standby, in its client's place."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from sampan.cli import main
from sampan.cli.main import Learned
from sampan.cli.standby import client, likeness, memory, title
from sampan.cli.standby.likeness import Process

LARGEST = 1 << 20
"""Bytes in the largest request."""
_F_SETSIG = 10  # fcntl.h; Python has no name for it


class Order:
    """A request: whose, and what."""

    def __init__(
        self, pid: int, process: Process, arguments: list[bytes], environ: list[bytes], received: dict[int, int]
    ) -> None:
        self.pid = pid
        self.process = process
        self.arguments = arguments
        self.environ = environ
        self.received = received
        self.shown: object = None

    @classmethod
    def parse(cls, request: bytes, own: bytes, pid: int, process: Process, received: list[int]) -> Order | None:
        """Read a request; None when it is for a standby of another identity. Raises ValueError when it is none."""
        counts, _, rest = request.partition(b"\0")
        _, argued, *targets = map(int, counts.split())
        if not rest.startswith(own):
            return None
        words = rest[len(own) :].split(b"\0")
        if len(targets) != len(received):
            raise ValueError("descriptors are missing")
        return cls(pid, process, words[:argued], words[argued:], dict(zip(targets, received, strict=True)))


class Session:
    """A command that is carried out for a client; ``learned`` is for the standby."""

    def __init__(self, connection: int, teacher: int, learned: Learned) -> None:
        self._connection = connection
        self._teacher = teacher
        self._known = set(sys.modules)
        self.learned = learned

    def end(self, code: int) -> NoReturn:
        """Exit with a code. The client is told when all that the command had open is closed."""
        if self.learned.linger is not None:
            names = [*(name for name in sys.modules if name not in self._known), *self.learned.loaded]
            _send(self._teacher, "\0".join((str(self.learned.linger), *names)).encode(errors="replace"))
        os.closerange(0, self._connection)
        os.closerange(self._connection + 1, 1 << 20)
        _send(self._connection, client.EXITED + bytes((code & 0xFF,)))
        os._exit(code & 0xFF)


def wait(channel: int, own_words: bytes, teacher: int, own: Process, encoding: tuple[str, str]) -> NoReturn:
    """Be a spare worker: wait for a request that the standby has examined, or for the standby's end."""
    try:
        low, high = sorted((channel, teacher))
        for first, end in ((3, low), (low + 1, high), (high + 1, 1 << 20)):
            os.closerange(first, end)
        memory.populate()
        with socket.socket(fileno=channel) as source:
            content, received, flags, _ = socket.recv_fds(source, LARGEST, 254, socket.MSG_CMSG_CLOEXEC)
        if not content or flags & socket.MSG_CTRUNC:
            os._exit(0)
        peer, _, request = content.partition(b"\0")
        connection = socket.socket(fileno=received.pop(0))
        order = Order.parse(request, own_words, int(peer), Process(int(peer)), received)
        if order is not None:
            run(order, connection, socket.socket(fileno=teacher), own, encoding)
    finally:
        os._exit(0)


def run(
    order: Order, connection: socket.socket, teacher: socket.socket, own: Process, encoding: tuple[str, str]
) -> NoReturn:
    """Be the worker. All signals are blocked; nothing of the standby is left when the command begins."""
    try:
        os.setpgid(0, 0)  # not a session of its own: it could not be stopped then, as the shell's own children can
        with_handle = os.pidfd_open(os.getpid())
        socket.send_fds(connection, [client.ACCEPTED], [with_handle])
        os.close(with_handle)
        ours, theirs = _place_descriptors(order.received, connection.detach(), teacher.detach())
        try:
            likeness.take_over(order.pid, order.process, own)
            _take_words(order)
            _take_streams(order.received, encoding)
        except (OSError, ValueError):
            _send(ours, client.UNLIKE)
            os._exit(0)
        os.set_blocking(ours, True)
        if os.read(ours, 1) != client.GO:
            os._exit(0)
        _die_with(ours)
        likeness.restore_signals(order.process)
        _carry_out(Session(ours, theirs, main.Learned()))
    finally:
        os._exit(1)


def _carry_out(session: Session) -> NoReturn:
    code: Any
    try:
        code = main.carry_out(sys.argv[1:], session.learned)
    except SystemExit as leave:
        # Threads are alive, or somebody insists.
        code = leave.code
        if code is not None and not isinstance(code, int):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    session.end(main.settle(code or 0))


def _place_descriptors(received: dict[int, int], *kept: int) -> list[int]:
    """Move what was received to the numbers it has at the client, close all else; return where ``kept`` went."""
    above = max((2, *received)) + 1
    moved = {target: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for target, number in received.items()}
    places = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for number in kept]
    os.closerange(0, above)
    for target, number in moved.items():
        os.dup2(number, target)
        os.close(number)
    position = above
    for place in sorted(places):
        os.closerange(position, place)
        position = place + 1
    os.closerange(position, 1 << 20)
    return places


def _take_words(order: Order) -> None:
    sys.argv = [os.fsdecode(word) for word in order.arguments]
    os.environ.clear()
    for entry in order.environ:
        name, _, value = entry.partition(b"=")
        os.environb[name] = value
    time.tzset()
    order.shown = title.show(order.process.words, b"".join(entry + b"\0" for entry in order.environ))
    sys.orig_argv = [os.fsdecode(word) for word in order.process.words.split(b"\0")[:-1]]


def _take_streams(received: dict[int, int], encoding: tuple[str, str]) -> None:
    """Make the three standard streams as the interpreter does at its start (pylifecycle.c, create_stdio)."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED")) and not sys.flags.ignore_environment
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, name, encoding, unbuffered) if number in received else None
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(number: int, name: str, encoding: tuple[str, str], unbuffered: bool) -> io.TextIOWrapper | None:
    writes = number > 0
    try:
        raw = io.FileIO(number, "wb" if writes else "rb", closefd=False)
    except OSError:
        return None
    raw.name = f"<{name}>"
    buffer: Any = raw
    if not (writes and unbuffered):
        buffer = io.BufferedWriter(raw) if writes else io.BufferedReader(raw)
    errors = "backslashreplace" if number == 2 else encoding[1]
    stream = io.TextIOWrapper(
        buffer, encoding[0], errors, "\n", line_buffering=writes and not unbuffered and (number == 2 or raw.isatty()),
        write_through=unbuffered,
    )  # fmt: skip
    setattr(stream, "mode", "w" if writes else "r")  # noqa: B010  # read-only to type checkers, set by CPython as well
    return stream


def _die_with(connection: int) -> None:
    """Have the kernel kill us when the client is gone, whatever we are doing then (fcntl(2), O_ASYNC)."""
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(connection, fcntl.F_SETFL, os.O_RDWR | os.O_ASYNC)
    import select

    poll = select.poll()
    poll.register(connection, 0)
    if poll.poll(0):
        os._exit(0)  # it was gone before we asked


def _send(connection: int, content: bytes) -> None:
    try:
        os.write(connection, content)
    except OSError:
        pass  # nobody is there
