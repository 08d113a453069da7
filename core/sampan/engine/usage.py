"""Measure what a container uses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan.contracts.runtime import Measures
from sampan.errors import Conflict, Unsupported
from sampan.model.container import RUNNING, Container
from sampan.model.usage import Usage

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_RECEIVED, _SENT = 0, 8


def usage(engine: Engine, container: Container) -> Usage:
    """Return what a container has used; see Engine.usage."""
    if container.status not in RUNNING:
        return Usage(moment=time.monotonic_ns())
    runtime = engine.runtime(container.runtime)
    if not isinstance(runtime, Measures):
        raise Unsupported(f"the runtime {container.runtime} does not tell what containers use")
    try:
        group = runtime.stats(container.id)
    except Conflict:  # it has just ended
        return Usage(moment=time.monotonic_ns())
    own = engine.network(container.network_driver).capabilities.sandboxed
    received, sent = _traffic(container.pid) if own else (0, 0)
    return Usage(moment=time.monotonic_ns(), group=group, received=received, sent=sent)


def _traffic(pid: int) -> tuple[int, int]:
    """Return the bytes that a process's network namespace has received and sent (proc_pid_net(5)), loopback apart."""
    received = sent = 0
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            for line in file:
                name, colon, counts = line.partition(":")
                if colon and name.strip() != "lo":
                    columns = counts.split()
                    received += int(columns[_RECEIVED])
                    sent += int(columns[_SENT])
    except OSError:
        pass  # it has just ended
    return received, sent
