"""Look after one running container, from building it to recording its end.

The monitor is a process of its own, made by the command that starts the container, which it outlives. It mounts the
root file system in a mount namespace of its own and holds the network namespace by a descriptor, so that if it is
killed the kernel takes both away; what else there is to undo it notes in the journal before doing it.
"""

from __future__ import annotations

import math
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.config import Settings
from sampan.engine import (
    events,
    halt,
    links,
    networking,
    policy,
    tree,
    undo,
    wire,
)
from sampan.engine.detaching import detach
from sampan.engine.exec_ import exit_code
from sampan.engine.start import STARTABLE
from sampan.engine.streams import Streams
from sampan.engine.surroundings import Surroundings
from sampan.engine.wire import Kind
from sampan.errors import Conflict, SampanError
from sampan.model.container import RUNNING, Container, Ending, Status
from sampan.plugin.index import Claim
from sampan.store import locks, owner

if TYPE_CHECKING:
    import sqlite3

    from sampan.engine.engine import Engine
    from sampan.engine.slumber import Memory
    from sampan.store.journal import Operation

_SILENCE = 1.0
"""Seconds after which a starter is told that it waits for another command."""
_FAILED = 128
"""The exit code on the record of a container that could not be started, where its command is not to blame."""


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What a monitor in an interpreter of its own must be told."""

    settings: Settings
    claims: tuple[Claim, ...]
    container: Container
    attach: bool
    size: tuple[int, int] | None


def main(order: str) -> None:
    """Be the monitor in a new interpreter, whose standard input is the socket to the starter."""
    from sampan.engine.engine import Engine
    from sampan.plugin.manager import Plugins

    if os.fork():
        os._exit(0)
    try:
        told = msgspec.json.decode(order, type=Order)
        engine = Engine(told.settings, Plugins(told.settings, claims=told.claims))
        run(engine, told.container, socket.socket(fileno=os.dup(0)), told.attach, told.size)
    finally:
        os._exit(0)


def run(
    engine: Engine, container: Container, starter: socket.socket, attach: bool, size: tuple[int, int] | None
) -> None:
    """Be the monitor; the caller exits the process."""
    starter = socket.socket(fileno=detach(starter.detach()))
    try:
        Monitor(engine, container, size).run(starter, attach)
    finally:
        engine.close()


def wake(note: int, child: int) -> None:
    """Be the monitor again, in the process that was it before it slept (see ``sampan.engine.slumber``).

    ``child`` is the pid of the name service's server, 0 when none runs.
    """
    from sampan.engine import slumber
    from sampan.engine.engine import Engine
    from sampan.plugin.manager import Plugins

    try:
        memory = slumber.remember(note)
        engine = Engine(memory.settings, Plugins(memory.settings, claims=memory.claims))
        try:
            Monitor(engine, engine.store.containers.get(memory.container), None).wake(memory, child)
        finally:
            engine.close()
    finally:
        os._exit(0)


class Monitor:
    """One container's keeper."""

    def __init__(self, engine: Engine, container: Container, size: tuple[int, int] | None) -> None:
        self._engine = engine
        self._container = container
        self._size = size
        self._bundle = engine.layout.bundle(container.id)
        self._surroundings = Surroundings(engine, container)
        self._starter: socket.socket | None = None
        self._waits_since = 0.0
        self._backoff = policy.Backoff()
        self._patience = float(engine.settings.slumber)

    def run(self, starter: socket.socket, attach: bool) -> None:
        """Start the container, serve it until its end, and clear up; as often as its restart policy says."""
        known = set(sys.modules)
        self._starter = starter
        with ExitStack() as stack:
            try:
                streams = self._start(stack)
            except BaseException as error:
                told = self._engine.plugins.fault(error) or error
                self._fail(told)
                _say(starter, wire.frame(Kind.FAILED, wire.failure(told)))
                return
            _say(starter, wire.frame(Kind.STARTED, " ".join(sys.modules.keys() - known).encode()))
            if attach:
                streams.add_client(starter)
            else:
                starter.close()
            self._look_after(streams)
        while self._container.status is Status.RESTARTING:
            self._run_again()

    def wake(self, memory: Memory, child: int) -> None:
        """Go on after having slept."""
        self._surroundings = held = Surroundings.resumed(self._engine, self._container, memory, child)
        self._backoff = policy.Backoff(memory.pause)
        self._patience = memory.patience()
        with ExitStack() as stack:
            stack.callback(held.let_go)
            self._until_end(stack.enter_context(Streams.resumed(
                self._container.spec, held.open_log(), memory.streams, held.names
            )))
        while self._container.status is Status.RESTARTING:
            self._run_again()

    def _look_after(self, streams: Streams) -> None:
        """Serve the container that has been started until its end is on record and told."""
        self._engine.plugins.container_started(self._container)
        self._until_end(streams)

    def _until_end(self, streams: Streams) -> None:
        shortage = self._surroundings.shortage
        if shortage.descriptor >= 0:
            streams.hear(shortage.descriptor, shortage.notice)
        with self._checked():
            code, error = self._serve(streams)
        self._end(code, error)
        if self._container.status is Status.RESTARTING:
            streams.finish_aside(code)
        else:
            streams.finish(code)

    @contextmanager
    def _checked(self) -> Iterator[None]:
        """Have the container's health checked meanwhile, if it has a check."""
        if not self._container.health:
            yield
            return
        from sampan.engine import health

        with health.checks(self._engine, self._container):
            yield

    def _run_again(self) -> None:
        """Wait as long as the restart policy says, then run the container once more, unless that was called off."""
        from sampan.engine.recess import recess

        _reap()
        seconds = self._backoff.next(self._container.finished - self._container.started)
        go_on, clients = recess(self._bundle, seconds, self._called_off)
        if not go_on:
            self._call_off(clients)
            return
        with ExitStack() as stack:
            try:
                streams = self._start(stack)
            except BaseException as error:
                self._fail(self._engine.plugins.fault(error) or error)
                return
            for client in clients:
                streams.admit(client)
            self._look_after(streams)

    def _called_off(self) -> bool:
        return self._engine.store.containers.get(self._container.id).ending is not Ending.NONE

    def _call_off(self, clients: list[socket.socket]) -> None:
        """Record that the container stays as its last run left it, and tell those who came meanwhile."""
        halt.end(self._engine, self._container)
        self._container = self._engine.store.containers.update(self._container.id, status=Status.EXITED, monitor="")
        for client in clients:
            _say(client, wire.frame(Kind.EXIT, str(self._container.exit_code).encode()))

    # -- the beginning ----------------------------------------------------------------------------

    def _start(self, stack: ExitStack) -> Streams:
        """Have the container running and on record as such, or nothing of it."""
        engine = self._engine
        with engine.store.journal.operation("start", lambda action: undo.undo(engine, action)) as operation:
            with tree.alone(engine, self._container, self._wait):  # from the claim on nobody else mounts its tree
                with engine.store.database.transaction() as cursor:
                    former = self._claim(cursor)
                    container = self._container
                    if container.spec.auto_remove:
                        operation.plan("ended", container.id, cursor=cursor)
                    operation.plan("running", container.id, cursor=cursor)
                if former:
                    halt.end(engine, container)
            self._surroundings = Surroundings(engine, container)
            try:
                streams = self._surroundings.make(stack, self._size)
                engine.runtime(container.runtime).start(container.id)
            except BaseException:
                stack.close()  # let go of everything before it is undone
                raise
            with engine.store.database.transaction() as cursor:
                self._container = engine.store.containers.change(
                    cursor, container.id, status=Status.RUNNING, pid=streams.pid, started=time.time(),
                    finished=0.0, exit_code=0, error="", oom_killed=False,
                    endpoints=tuple(self._surroundings.endpoints), health=self._first_health(),
                )
                _refuse_ending(self._container)  # asked for since it was claimed
                operation.finish(cursor)
        networking.note(engine, self._container, "connect")
        if self._surroundings.endpoints:
            links.follow(engine, self._container)
        events.container(engine, self._container, "start")  # before anyone hears of it, and does the next thing
        return streams

    def _wait(self) -> None:
        """Tell the starter, after a while, that another command has the container. Raises Conflict when it is gone."""
        if self._starter is None:
            return
        if not self._waits_since:
            self._waits_since = time.monotonic()
        elif 0 < self._waits_since < time.monotonic() - _SILENCE:
            self._waits_since = math.inf
            _say(self._starter, wire.frame(Kind.WAITING))
        if _is_gone(self._starter):
            raise Conflict("nobody waits any more for its start")

    def _first_health(self) -> str:
        if not self._container.spec.health:
            return ""
        from sampan.engine import health

        return health.STARTING if health.command(self._container) else ""

    def _claim(self, cursor: sqlite3.Cursor) -> str:
        """Make this process the container's one monitor; return a former one that was killed while starting it."""
        containers = self._engine.store.containers
        if self._container.status is Status.RESTARTING:  # it is that already
            self._container = containers.change(cursor, self._container.id, expected=(Status.RESTARTING,))
            _refuse_ending(self._container)
            return ""
        claimed = containers.change(cursor, self._container.id, expected=STARTABLE)
        if claimed.monitor and owner.alive(claimed.monitor):
            raise Conflict(f"container {claimed.name} is being started already")
        self._container = containers.change(
            cursor, self._container.id, monitor=owner.current(), ending=Ending.NONE, restarts=0
        )
        return claimed.monitor

    def _fail(self, error: BaseException) -> None:
        """Record that the container could not be started."""
        engine, container = self._engine, self._container.id
        code = (error.exit_code if isinstance(error, SampanError) else None) or _FAILED
        message = error.message if isinstance(error, SampanError) else str(error)
        try:
            record = engine.store.containers.get(container)
            if record.monitor != owner.current():
                return  # it is somebody else's
            if record.status in RUNNING:
                return  # what there is of the run the next command ends, as if this process had been killed
            status = Status.EXITED if record.status is Status.RESTARTING else record.status
            self._container = engine.store.containers.update(
                container, status=status, monitor="", exit_code=code, error=message
            )
        except Exception:
            return  # the starter is told of the first failure; the container is removed, or stays to be looked at

    # -- the end ----------------------------------------------------------------------------------

    def _serve(self, streams: Streams) -> tuple[int, str]:
        """Carry bytes until the container ends; return its exit code, and why when it was not its own end."""
        # Checks of its health are carried out by a child, which could not find its way back to a new interpreter.
        patience = 0.0 if self._container.health else self._patience
        try:
            while (status := streams.serve(self._kill_rest, patience)) is None:
                self._sleep(streams)
                patience = 0.0  # it could not
            return exit_code(status), ""
        except Exception as error:
            from sampan.engine.recovery import KILLED

            fault = self._engine.plugins.fault(error)
            return KILLED, str(fault) if fault else f"internal error: {type(error).__name__}: {error}"

    def _sleep(self, streams: Streams) -> None:
        """Give the memory back until something happens. Returns only when that cannot be done."""
        from sampan.engine import slumber

        engine, held = self._engine, self._surroundings
        memory = slumber.Memory(
            settings=engine.settings, claims=engine.plugins.claims, container=self._container.id,
            streams=streams.held(), sandbox=-1 if held.sandbox is None else held.sandbox,
            host=-1 if held.host is None else held.host, pause=self._backoff.last, quiet=self._patience,
            since=time.time(), shortage=held.shortage.descriptor, shortages=held.shortage.count,
            names=held.names.order if held.names else None,
        )
        engine.close()
        held.close_log()
        slumber.sleep(memory, held.names.child if held.names else 0)
        streams.log(held.open_log())

    def _kill_rest(self) -> None:
        """Kill what outlives the first process where they share the host's pid namespace; elsewhere the kernel does."""
        if self._container.spec.pid_mode:
            self._engine.runtime(self._container.runtime).delete(self._container.id, force=True)

    def _end(self, code: int, error: str) -> None:
        """Clear up after the first process, and record how it ended, in that order: who reads the record may act."""
        engine = self._engine
        with engine.store.journal.operation("end", lambda action: undo.undo(engine, action)) as operation:
            with locks.exclusive(engine.layout, locks.of_container(self._container.id)):  # whoever connects it waits
                starved = self._surroundings.shortage.settle()
                self._surroundings.let_go()
                left = self._undo()
                self._surroundings.close_log()
                self._record_end(operation, code, error, left, starved)
            engine.plugins.container_exited(self._container)
            if self._container.expires:
                try:
                    engine.remove(self._container.id)
                except SampanError:
                    pass  # it stays, to be looked at; those who wait are told of its end all the same

    def _record_end(self, operation: Operation, code: int, error: str, left: str, starved: bool) -> None:
        engine, containers = self._engine, self._engine.store.containers
        with engine.store.database.transaction() as cursor:
            record = containers.change(cursor, self._container.id)
            again = not left and policy.again(record, code)
            # What could not be undone keeps our name: the next to start or remove the container tries again.
            self._container = containers.change(
                cursor, record.id, status=Status.RESTARTING if again else Status.EXITED, pid=0, exit_code=code,
                error=error or left, oom_killed=starved, finished=time.time(), restarts=record.restarts + again,
                monitor=owner.current() if left or again else "", health=record.health and "unhealthy",
            )
            if self._container.expires:
                operation.plan("ended", record.id, cursor=cursor)
            ran = int(self._container.finished - self._container.started)
            events.container(engine, self._container, "die", execDuration=str(ran), exitCode=str(code))
            networking.note(engine, self._container, "disconnect")

    def _undo(self) -> str:
        """Undo the run; return what failed."""
        try:
            halt.end(self._engine, self._container)
        except Exception as error:
            return f"cannot clear up: {self._engine.plugins.fault(error) or error}"
        return ""


def _refuse_ending(container: Container) -> None:
    """Raise Conflict when a user does not want this run."""
    if container.ending is not Ending.NONE:
        raise Conflict(f"container {container.name} has been stopped")


def _is_gone(peer: socket.socket) -> bool:
    poll = select.poll()
    poll.register(peer, 0)  # of its hanging up one is always told
    return bool(poll.poll(0))


def _reap() -> None:
    """Take leave of children that ended: those who told slow clients, orphans of the last run."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _say(starter: socket.socket, content: bytes) -> None:
    try:
        starter.sendall(content)
    except OSError:
        pass  # the starter was killed; the container's record tells the rest
