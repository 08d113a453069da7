"""Run another process in a running container."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from sampan.contracts.runtime import Started, Stdio
from sampan.engine import events, wire
from sampan.engine.wire import Kind
from sampan.errors import Conflict, SampanError
from sampan.model import runtime_spec as oci
from sampan.model.container import Container, Status
from sampan.store import locks

if TYPE_CHECKING:
    import socket
    from contextlib import AbstractContextManager

    from sampan.engine.engine import Engine


class ExecRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and how it differs from the container's first process. ``env`` adds to the container's."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    terminal: bool = False
    privileged: bool = False
    console_size: tuple[int, int] | None = None


class Execution:
    """A process started by exec. ``console`` is its terminal's master, the caller's to close.

    ``pid`` is a child of the caller that ends when the process does, with its exit code.
    """

    def __init__(self, pid: int, console: int | None) -> None:
        self.pid = pid
        self.console = console

    def wait(self) -> int:
        """Wait for its end; return the exit code, 128 plus the signal for one that was killed."""
        _, status = os.waitpid(self.pid, 0)
        return exit_code(status)


def exit_code(status: int) -> int:
    """Return a waitpid(2) status as a shell shows it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def exec_(engine: Engine, text: str, request: ExecRequest, stdio: Stdio) -> Execution:
    """Join the container's namespaces and confinement and run the command there."""
    from sampan.engine import pause

    container = engine.container(text)
    if container.status is Status.PAUSED:
        raise Conflict(f"Container {container.name} is paused, unpause the container before exec")
    pause.require_running(container)
    process = described(engine, container, request)
    runtime = engine.runtime(container.runtime)
    note = Note(engine, container, request)
    note.begun()

    def launch() -> Started:
        with engine.plugins.answering():
            return runtime.exec(container.id, process, stdio)

    return _kept(launch, note)


def running(engine: Engine, container: str) -> list[str]:
    """Return the ids of the commands that are executed in a container by now."""
    prefix = locks.of_execution(container, "")
    found = [name for name in os.listdir(engine.layout.locks) if name.startswith(prefix)]
    if found:  # what a keeper that was killed has left counts for nothing
        found = sorted({*found}.difference(locks.abandoned(engine.layout)))
    return [name.removeprefix(prefix) for name in found]


def described(engine: Engine, container: Container, request: ExecRequest) -> oci.Process:
    """Return what the runtime is to run. Raises Conflict when the container does not run."""
    from sampan.engine import bundle

    spec = bundle.load(engine.layout.bundle(container.id))
    process = bundle.exec_process(container, spec, request)
    if request.console_size:
        process.console_size = oci.ConsoleSize(height=request.console_size[0], width=request.console_size[1])
    return process


class Note:
    """Tells in the history that a command is executed, and whoever asks that it is by now."""

    def __init__(self, engine: Engine, container: Container, request: ExecRequest) -> None:
        self._engine = engine
        self._container = container
        self._line = " ".join(request.command)
        self._id = os.urandom(32).hex()

    def lasting(self) -> AbstractContextManager[int]:
        """Return a context for the time that the command is there; it gives a descriptor that has to stay open."""
        return locks.held(self._engine.layout, locks.of_execution(self._container.id, self._id))

    def begun(self) -> None:
        """Tell that it is about to begin."""
        for step in ("exec_create", "exec_start"):
            events.container(self._engine, self._container, f"{step}: {self._line}", execID=self._id)

    def ended(self, code: int) -> None:
        """Tell that it has ended."""
        events.container(self._engine, self._container, "exec_die", execID=self._id, exitCode=str(code))


def _kept(launch: Callable[[], Started], note: Note) -> Execution:
    """Launch a process from a child of its own, which waits for it.

    The first process of a pid namespace cannot end before all others in it are reaped (pid_namespaces(7)): a parent
    that is stopped, or does not care to wait, would keep the container from ever ending.
    """
    import socket

    ours, theirs = socket.socketpair()
    with ours:
        keeper = os.fork()
        if keeper == 0:
            _keep(launch, note, theirs)
        theirs.close()
        try:
            return Execution(keeper, _hear(ours))
        except BaseException:
            os.waitpid(keeper, 0)
            raise


def _hear(keeper: socket.socket) -> int | None:
    """Wait until the process runs; return its terminal. Raises what kept it from running."""
    import socket

    parser = wire.Parser()
    console = None
    while True:
        received, passed, _, _ = socket.recv_fds(keeper, wire.LARGEST, 1)
        for console in passed:
            os.set_inheritable(console, False)
        for kind, content in parser.feed(received):
            if kind is Kind.STARTED:
                return console
            raise wire.error(content)
        if not received:
            raise SampanError("the process was killed before it began")


def _keep(launch: Callable[[], Started], note: Note, starter: socket.socket) -> None:
    """Launch, tell, wait, and end as the process did. Never returns."""
    import socket

    from sampan.engine.detaching import detach
    from sampan.kernel import processes

    code = 255
    try:
        os.setsid()
        processes.become_subreaper()
        with ExitStack() as stack:
            try:
                lasting = stack.enter_context(note.lasting())
                started = launch()
            except BaseException as error:
                starter.sendall(wire.frame(Kind.FAILED, wire.failure(error)))
                return
            passed = [] if started.console is None else [started.console]
            socket.send_fds(starter, [wire.frame(Kind.STARTED)], passed)
            os.close(detach(starter.detach(), lasting))
            _, status = os.waitpid(started.pid, 0)
            code = exit_code(status)
            note.ended(code)
    finally:
        os._exit(code)
