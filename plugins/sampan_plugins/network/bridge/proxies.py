"""Start and end the process that carries what comes to a container's published ports (see ``proxy``)."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from sampan.addressing.ports import Claim
from sampan.errors import Unavailable
from sampan.kernel.starttime import started
from sampan_plugins.network.bridge.ledger import Proxy

_PATIENCE_MS = 5000
_FIRST = 3
"""The first descriptor after the standard streams."""


def start(interface: str, served: Sequence[tuple[Claim, str]]) -> Proxy:
    """Have a process serve ports, each with the container's address, until the interface is gone or it is ended."""
    told = [f"{place},{address},{claim.mapping.port}" for place, (claim, address) in enumerate(served, _FIRST)]
    reader, writer = os.pipe()
    with open(reader, "rb") as answering:
        try:
            first = _spawn(interface, told, [*(claim.holder.fileno() for claim, _ in served), writer])
        finally:
            os.close(writer)
        answer = answering.read()
    try:
        os.waitpid(first, 0)
    except ChildProcessError:
        pass  # the caller ignores SIGCHLD, or waits for any child
    if not answer:
        raise Unavailable("Error starting userland proxy: it ended at once")
    return Proxy(int(answer), started(int(answer)))


def _spawn(interface: str, told: Sequence[str], descriptors: Sequence[int]) -> int:
    """Run the program with descriptors from the first place on, of which the last is for its answer."""
    places = range(_FIRST, _FIRST + len(descriptors))
    with ExitStack() as stack:
        # Away from the places, so that none is overwritten before it is moved.
        away: list[int] = []
        for one in descriptors:
            away.append(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, places.stop))
            stack.callback(os.close, away[-1])
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(_FIRST)
        ]
        actions += [(os.POSIX_SPAWN_DUP2, one, place) for one, place in zip(away, places, strict=True)]
        program = os.path.join(os.path.dirname(__file__), "proxy.py")
        arguments = [sys.executable, "-I", "-S", program, str(places[-1]), interface, *told]
        return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions, setsid=True)


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
