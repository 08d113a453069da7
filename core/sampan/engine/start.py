"""Start a container: make its monitor, and wait until that says how it went."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sampan.engine import events, wire
from sampan.engine.attach import Attachment
from sampan.engine.progress import Event, Report, silent
from sampan.engine.wire import Kind
from sampan.errors import Conflict, SampanError
from sampan.model.container import Container, Status

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

STARTABLE = (Status.CREATED, Status.EXITED)


def start(
    engine: Engine, text: str, *, attach: bool, size: tuple[int, int] | None, report: Report = silent
) -> Attachment | None:
    """Run a container; see Engine.start."""
    container = engine.container(text)
    if container.status is Status.PAUSED:
        raise Conflict("cannot start a paused container, try unpause instead")
    if container.alive:
        return engine.attach(container.id) if attach else None
    if container.status not in STARTABLE:
        raise Conflict(f"cannot start container {container.name}: it is {container.status}")
    used = {
        "storage": container.storage_driver, "network": container.network_driver, "runtimes": container.runtime,
        "logs": container.log_driver,
    }  # fmt: skip
    for slot, name in used.items():
        engine.plugins.load(slot, name)  # without one of them nothing could be undone either
    if container.spec.ports or container.spec.publish_all:
        from sampan.engine import recovery

        recovery.reconcile(engine)  # what a killed one had of the host's ports is to be had again
    if attach:
        events.container(engine, container, "attach")
    ours, theirs = socket.socketpair()
    try:
        _make_monitor(engine, container, theirs, attach, size)
        theirs.close()
        attachment = Attachment(ours, container)
        engine.loaded.update(_await(attachment, report))
    except BaseException:
        theirs.close()
        ours.close()
        raise
    if attach:
        return attachment
    attachment.close()
    return None


def _await(attachment: Attachment, report: Report) -> list[str]:
    """Read until the monitor tells how it went; return the modules it loaded. Raises what it tells of."""
    kind, content = attachment.first()
    if kind is Kind.WAITING:
        report(Event(attachment.container.name, "in use by another command, waiting for that to end"))
        kind, content = attachment.first()
    if kind is Kind.FAILED:
        raise wire.error(content)
    if kind is None:
        raise SampanError(f"the monitor of container {attachment.container.name} ended before it started")
    return content.decode().split()


def _make_monitor(
    engine: Engine, container: Container, theirs: socket.socket, attach: bool, size: tuple[int, int] | None
) -> None:
    """Fork, where a copy of this process can go on by itself; otherwise run a new interpreter, for 80 ms more."""
    if _has_threads():
        _spawn_monitor(engine, container, theirs, attach, size)
        return
    from sampan.engine import monitor  # noqa: F401  # here, so that whoever keeps this process's modules has it

    # A database connection must not be carried across a fork; it is opened anew on either side.
    engine.close()
    if _has_open(engine.layout.database):
        _spawn_monitor(engine, container, theirs, attach, size)
    else:
        _fork_monitor(engine, container, theirs, attach, size)


def _has_threads() -> bool:
    """Tell whether another thread may hold a lock that would never be released in a forked copy."""
    return len(os.listdir("/proc/self/task")) > 1


def _has_open(path: str) -> bool:
    """Tell whether this process has a file open: another Engine's connection, whose locks a fork does not inherit."""
    path = os.path.realpath(path)
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == path:
                return True
        except FileNotFoundError:
            pass  # the one that listed the directory
    return False


def _fork_monitor(
    engine: Engine, container: Container, theirs: socket.socket, attach: bool, size: tuple[int, int] | None
) -> None:
    child = os.fork()
    if child:
        if not engine.brief:
            _reap(child)
        return
    try:
        os.setsid()
        # Forked twice where the caller lives on, so that the monitor is nobody's child to reap.
        if engine.brief or os.fork() == 0:
            from sampan.engine import monitor

            monitor.run(engine, container, theirs, attach, size)
    finally:
        os._exit(0)


def _spawn_monitor(
    engine: Engine, container: Container, theirs: socket.socket, attach: bool, size: tuple[int, int] | None
) -> None:
    import sys

    import msgspec

    from sampan.engine.monitor import Order

    order = Order(engine.settings, engine.plugins.claims, container, attach, size)
    program = "import sys; sys.path[:] = sys.argv[2:]; from sampan.engine import monitor; monitor.main(sys.argv[1])"
    arguments = [sys.executable, "-c", program, msgspec.json.encode(order).decode(), *sys.path]
    # The socket becomes its standard input: the one descriptor that no other thread's child can come to hold.
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
    _reap(os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions, setsid=True))


def _reap(child: int) -> None:
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass  # the caller ignores SIGCHLD, or waits for any child
