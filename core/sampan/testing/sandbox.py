"""Make hosts and containers' network namespaces for tests, and try who reaches whom.

Every test can have a host of its own: a fresh network namespace that the test's thread is in, with loopback up.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sampan.kernel import netns, routes
from sampan.model.network import Endpoint

PATIENCE = 5.0  # seconds until a packet that should arrive counts as lost


class Sandbox:
    """A container's network namespace with its loopback up, held by a descriptor as the engine holds it."""

    def __init__(self) -> None:
        self._descriptor: int | None = netns.new_sandbox()
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        with self.entered():
            netns.loopback_up()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the block inside."""
        with netns.entered(self.path):
            yield

    def interfaces(self) -> set[str]:
        """Return the names of the interfaces inside."""
        with self.entered():
            return {name for _index, name in socket.if_nameindex()}

    def close(self) -> None:
        """Let go of the namespace; the kernel removes what is in it. Closing twice is fine."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def fresh_host() -> Iterator[Sandbox]:
    """Make a namespace and stay in it for the block: a machine on which nothing has happened yet."""
    host = Sandbox()
    try:
        with host.entered():
            yield host
    finally:
        host.close()


def listener(address: str) -> socket.socket:
    """Return a TCP socket of the caller's namespace that listens on a port the kernel chose."""
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    found.bind((address, 0))
    found.listen()
    return found


def talk(client: socket.socket, server: socket.socket) -> str:
    """Connect, send a byte each way, and return the address the server saw. Raises OSError when nothing arrives."""
    server.settimeout(PATIENCE)
    client.connect(server.getsockname())
    accepted, (seen, *_rest) = server.accept()
    with accepted:
        accepted.settimeout(PATIENCE)
        client.sendall(b"?")
        assert accepted.recv(1) == b"?"
        accepted.sendall(b"!")
        assert client.recv(1) == b"!"
    return str(seen)


def reaches(source: Sandbox | None, target: Sandbox, address: str, patience: float = PATIENCE) -> bool:
    """Tell whether ``target`` answers on TCP at ``address`` to ``source``, None being the caller's namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as stack:
        with target.entered():
            server = stack.enter_context(listener(address))
        if source is None:
            client = stack.enter_context(socket.socket(family))
        else:
            with source.entered():
                client = stack.enter_context(socket.socket(family))
        client.settimeout(patience)
        try:
            talk(client, server)
        except OSError:
            return False
    return True


def route_out(sandbox: Sandbox, endpoint: Endpoint) -> None:
    """Set a sandbox's default routes as the engine does."""
    with sandbox.entered():
        for gateway in filter(None, (endpoint.gateway, endpoint.gateway6)):
            routes.lead(gateway, endpoint.interface)
