"""Start and end the process that carries what comes to a container's published ports (see ``proxy``)."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence

from sampan.errors import Unavailable
from sampan.kernel.starttime import started
from sampan_plugins.network.bridge.leases import Proxy
from sampan_plugins.network.bridge.ports import Claim

_PATIENCE_MS = 5000


def start(interface: str, served: Sequence[tuple[Claim, str]]) -> Proxy:
    """Have a process serve ports, each with the container's address, until the interface is gone or it is ended."""
    reader, writer = os.pipe()
    above = 4 + len(served)
    held = []
    try:
        held = [fcntl.fcntl(claim.holder, fcntl.F_DUPFD_CLOEXEC, above) for claim, _ in served]
        held.append(fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, above))
        places = range(3, 3 + len(held))
        told = [f"{place},{address},{claim.mapping.port}" for place, (claim, address) in enumerate(served, 3)]
        program = os.path.join(os.path.dirname(__file__), "proxy.py")
        arguments = [sys.executable, "-I", "-S", program, str(places[-1]), interface, *told]
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)
        ]
        actions += [(os.POSIX_SPAWN_DUP2, one, place) for one, place in zip(held, places, strict=True)]
        first = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions, setsid=True)
    finally:
        for descriptor in (writer, *held):
            os.close(descriptor)
    with open(reader, "rb") as file:
        answer = file.read()
    try:
        os.waitpid(first, 0)
    except ChildProcessError:
        pass  # the caller ignores SIGCHLD, or waits for any child
    if not answer:
        raise Unavailable("Error starting userland proxy: it ended at once")
    return Proxy(int(answer), started(int(answer)))


def end(proxy: Proxy) -> None:
    """End a process and wait until its ports are free. Gone already: done."""
    import select
    import signal

    from sampan.errors import NotFound
    from sampan.kernel import processes

    try:
        handle = processes.open_handle(proxy.pid, proxy.start)
    except NotFound:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        ending = select.poll()
        ending.register(handle, select.POLLIN)
        ending.poll(_PATIENCE_MS)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
