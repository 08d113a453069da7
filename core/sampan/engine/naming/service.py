"""Hold the sockets at which a container asks for names, and run the server that answers while there are questions.

The sockets are in the container's network namespace, at ports that nobody has to know: what goes to the well-known port
of the server's address is led there, so that the container can itself serve at that port of all its addresses. The
monitor holds them, and does no more than start ``server`` when something comes, in an interpreter of its own that
ends when it has been idle.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import watch
from sampan.engine.hostfiles import NAME_SERVER
from sampan.kernel import netns

if TYPE_CHECKING:
    from sampan.config import Settings

_PORT = 53
_TABLE = "sampan-names"
_PROGRAM = """\
import sys
order, *sys.path[:] = sys.argv[1:]
from sampan.engine.naming import server
server.main(order)
"""


class Order(msgspec.Struct, frozen=True):
    """What a server must be told: where the store is, whose names, and the descriptors it is given.

    ``idle`` is after how many seconds without a question it ends, 0: never. It ends with the process ``parent``.
    """

    root: str
    run_root: str
    container: str
    idle: int
    parent: int
    udp: int
    tcp: int
    sandbox: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors; questions come to the first two."""
        return self.udp, self.tcp, self.sandbox


class NameService:
    """A container's name service, as its monitor has it; there is none before it is opened, or known to be open.

    ``order`` is what the server is told, None until then, ``child`` its pid, 0 while there is none.
    """

    def __init__(
        self, settings: Settings, container: str, sandbox: int, order: Order | None = None, child: int = 0
    ) -> None:
        self._settings = settings
        self._container = container
        self._sandbox = sandbox
        self.order = order
        self.child = child
        self._pidfd = os.pidfd_open(child) if child else -1

    def open(self) -> None:
        """Open the sockets in the container's network namespace, unless they are open. Raises OSError."""
        if self.order is not None:
            return
        with netns.entered(f"/proc/self/fd/{self._sandbox}"):
            netns.loopback_up()
            udp, tcp = _reached()
        self.order = Order(
            root=self._settings.root, run_root=self._settings.run_root, container=self._container,
            idle=self._settings.slumber, parent=os.getpid(), udp=udp.detach(), tcp=tcp.detach(), sandbox=self._sandbox,
        )

    @property
    def watched(self) -> list[int]:
        """The descriptors at which something can happen: the sockets, or in place of them the running server's."""
        if self.order is None:
            return []
        return [self._pidfd] if self.child else [self.order.udp, self.order.tcp]

    def act(self) -> None:
        """Do what there is to do when something has happened at one of them."""
        if self.order is None:
            return
        if self.child:
            if self._ended():
                _drop(self.order)  # a server that failed would fail at the same question again
            return
        try:
            self.child = watch.spawn(self.order.descriptors, command(self.order))
            self._pidfd = os.pidfd_open(self.child)
        except OSError:
            _drop(self.order)

    def close(self) -> None:
        """End the server and close the sockets."""
        if self.order is None:
            return
        if self.child:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._ended()
        os.close(self.order.udp)
        os.close(self.order.tcp)
        self.order = None

    def _ended(self) -> bool:
        """Take leave of the server; tell whether it failed."""
        try:
            failed = os.waitpid(self.child, 0)[1] != 0
        except ChildProcessError:
            failed = True  # somebody who reaps strays has its status
        os.close(self._pidfd)
        self.child, self._pidfd = 0, -1
        return failed


def command(order: Order) -> list[str]:
    """Return the command line of the server."""
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, msgspec.json.encode(order).decode(), *sys.path]


def _drop(order: Order) -> None:
    """Leave what has been asked so far unanswered."""
    try:
        while True:
            os.read(order.udp, 1)
    except OSError:
        pass
    with socket.socket(fileno=os.dup(order.tcp)) as listener:
        try:
            while True:
                listener.accept()[0].close()
        except OSError:
            pass


def _reached() -> tuple[socket.socket, socket.socket]:
    """Return sockets to which leads what this network namespace asks the name server."""
    from sampan.kernel import redirect

    udp, tcp = _listen(0)
    ports = {socket.IPPROTO_UDP: udp.getsockname()[1], socket.IPPROTO_TCP: tcp.getsockname()[1]}
    try:
        redirect.lead(_TABLE, NAME_SERVER, _PORT, ports)
    except OSError:  # the kernel has no nftables
        udp.close()
        tcp.close()
        return _listen(_PORT)
    return udp, tcp


def _listen(port: int) -> tuple[socket.socket, socket.socket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        for one in (udp, tcp):
            one.bind((NAME_SERVER, port))
            one.setblocking(False)
        tcp.listen()
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp
