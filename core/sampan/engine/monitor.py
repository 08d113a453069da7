"""Look after one running container, from building it to recording its end.

The monitor is a process of its own, forked by the command that starts the container, which it outlives. It mounts the
root file system in a mount namespace of its own and holds the network namespace by a descriptor, so that if it is
killed the kernel takes both away; what else there is to undo it notes in the journal before doing it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sampan.engine import bundle, halt, networking, undo, wire
from sampan.engine.exec_ import exit_code
from sampan.engine.start import STARTABLE
from sampan.engine.streams import Streams
from sampan.engine.wire import Kind
from sampan.engine.worker import Worker
from sampan.errors import CommandNotExecutable, CommandNotFound, Conflict, SampanError
from sampan.kernel import mount, namespaces, netns, processes
from sampan.model.container import Container, Status
from sampan.model.network import Endpoint
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.contracts.log import LogWriter
    from sampan.engine.engine import Engine

_ABLE_TO_OUTLIVE = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGTSTP)


def run(
    engine: Engine, container: Container, starter: socket.socket, attach: bool, size: tuple[int, int] | None
) -> None:
    """Be the monitor. Never raises; the caller exits the process."""
    _detach(starter)
    try:
        Monitor(engine, container, size).run(starter, attach)
    except BaseException as error:
        _clear_failed(engine, container)
        try:
            starter.sendall(wire.frame(Kind.FAILED, wire.failure(error)))
        except OSError:
            pass  # the starter is gone, and the container's record tells the rest
    finally:
        engine.close()


def _clear_failed(engine: Engine, container: Container) -> None:
    """Let go of a container that had no beginning; remove it if it was to be removed at its end."""
    try:
        if engine.store.containers.get(container.id).monitor == owner.current():
            engine.store.containers.update(container.id, monitor="")
        if container.spec.auto_remove:
            engine.remove(container.id)
    except SampanError:
        pass  # the starter is told of the first failure, and the container stays to be looked at


def _detach(starter: socket.socket) -> None:
    """Let go of everything that belongs to the command which forked us."""
    gc.freeze()
    for number in _ABLE_TO_OUTLIVE:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    kept = starter.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, 1 << 20)
    os.chdir("/")
    processes.become_subreaper()


class Monitor:
    """One container's keeper."""

    def __init__(self, engine: Engine, container: Container, size: tuple[int, int] | None) -> None:
        self._engine = engine
        self._container = container
        self._size = size
        self._bundle = engine.layout.bundle(container.id)
        self._log: LogWriter | None = None

    def run(self, starter: socket.socket, attach: bool) -> None:
        """Start the container, serve it until its end, and clear up."""
        engine, container = self._engine, self._container
        with ExitStack() as stack:
            with engine.store.journal.operation("start", lambda action: undo.undo(engine, action)) as operation:
                self._claim()
                operation.plan("running", container.id)
                try:
                    streams = self._build(stack)
                    if attach:
                        streams.add_client(starter)
                    engine.runtime(container.runtime).start(container.id)
                except (CommandNotFound, CommandNotExecutable) as error:
                    self._record_refusal(error)
                    raise
                with engine.store.database.transaction() as cursor:
                    self._container = engine.store.containers.change(
                        cursor, container.id, status=Status.RUNNING, pid=streams.pid, started=time.time(),
                        finished=0.0, exit_code=0, error="", endpoints=self._endpoints,
                    )
                    operation.finish(cursor)
            self._announce(starter, attach)
            status = streams.serve()
            self._end(exit_code(status))
            streams.finish(self._container.exit_code)

    def _claim(self) -> None:
        """Make this process the container's one monitor."""
        with self._engine.store.database.transaction() as cursor:
            containers = self._engine.store.containers
            claimed = containers.change(cursor, self._container.id, expected=STARTABLE)
            if claimed.monitor and owner.alive(claimed.monitor):
                raise Conflict(f"container {claimed.name} is being started already")
            containers.change(cursor, self._container.id, monitor=owner.current())
        self._container = claimed

    def _build(self, stack: ExitStack) -> Streams:
        """Do all that comes before the command runs; the network side by side with the rest."""
        engine, container = self._engine, self._container
        network = networking.resolve(engine, container.spec)
        sandbox, path = None, None
        if engine.network(network.driver).capabilities.sandboxed:
            sandbox = netns.new_sandbox()
            stack.callback(os.close, sandbox)
            path = f"/proc/{os.getpid()}/fd/{sandbox}"
        connecting = Worker(lambda: networking.connect(engine, network, container, path), engine.disown)
        stack.callback(connecting.close)

        namespaces.create(namespaces.flag("mount"))
        mount.mount("none", "", "/", ("rslave",))
        os.makedirs(f"{self._bundle}/rootfs", mode=0o700, exist_ok=True)
        mount.mount_all(engine.storage(container.storage_driver).mounts(container.id), f"{self._bundle}/rootfs")
        draft = bundle.Draft(engine, container, self._bundle, path)
        self._log = engine.plugins.open_logs(container.log_driver).open(
            engine.layout.container(container.id), container.id, container.spec.log_options
        )
        streams = stack.enter_context(Streams(self._bundle, container.spec, self._log))
        endpoint = connecting.result(Endpoint)
        self._endpoints = (endpoint,)
        draft.finish(endpoint, self._size)
        streams.begin(engine.runtime(container.runtime).create(container.id, self._bundle, streams.stdio()))
        return streams

    def _announce(self, starter: socket.socket, attach: bool) -> None:
        starter.setblocking(True)
        try:
            starter.sendall(wire.frame(Kind.STARTED))
        except OSError:
            pass  # the starter was killed; the container goes on
        if not attach:
            starter.close()
        self._engine.plugins.container_started(self._container)

    def _record_refusal(self, error: CommandNotFound | CommandNotExecutable) -> None:
        self._engine.store.containers.update(
            self._container.id, exit_code=error.exit_code, error=str(error), finished=time.time()
        )

    def _end(self, code: int) -> None:
        """Clear up after the first process, and record how it ended, in that order: who reads the record may act."""
        engine = self._engine
        halt.halt(engine, self._container)
        if self._log is not None:
            self._log.close()
        self._container = engine.store.containers.update(
            self._container.id, status=Status.EXITED, pid=0, exit_code=code, finished=time.time(), monitor="",
        )
        engine.plugins.container_exited(self._container)
        if self._container.spec.auto_remove:
            engine.remove(self._container.id)


