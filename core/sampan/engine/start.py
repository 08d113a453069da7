"""Start a container: fork its monitor, and wait until that says how it went."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sampan.engine import wire
from sampan.engine.attach import Attachment
from sampan.engine.wire import Kind
from sampan.errors import Conflict, SampanError
from sampan.model.container import Container, Status

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

STARTABLE = (Status.CREATED, Status.EXITED)


def start(engine: Engine, text: str, *, attach: bool, size: tuple[int, int] | None) -> Attachment | None:
    """Run a container; see Engine.start."""
    container = engine.container(text)
    if container.alive:
        return engine.attach(container.id) if attach else None
    if container.status not in STARTABLE:
        raise Conflict(f"cannot start container {container.name}: it is {container.status}")
    ours, theirs = socket.socketpair()
    try:
        _fork_monitor(engine, container, theirs, attach, size)
        theirs.close()
        attachment = Attachment(ours, container)
        _await(attachment)
    except BaseException:
        theirs.close()
        ours.close()
        raise
    if attach:
        return attachment
    attachment.close()
    return None


def _await(attachment: Attachment) -> None:
    """Read until the monitor tells how it went. Raises what it tells of."""
    kind, content = attachment.first()
    if kind is Kind.FAILED:
        raise wire.error(content)
    if kind is None:
        raise SampanError(f"the monitor of container {attachment.container.name} ended before it started")


def _fork_monitor(
    engine: Engine, container: Container, theirs: socket.socket, attach: bool, size: tuple[int, int] | None
) -> None:
    # A database connection must not be carried across a fork; it is opened anew on either side.
    engine.close()
    intermediate = os.fork()
    if intermediate:
        os.waitpid(intermediate, 0)
        return
    # Forked twice, so that the monitor is nobody's child to reap.
    try:
        os.setsid()
        if os.fork() == 0:
            from sampan.engine import monitor

            monitor.run(engine, container, theirs, attach, size)
    finally:
        os._exit(0)
