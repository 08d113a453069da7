"""Look after the health of one running container, as its health check says.

The checks run in a child of the monitor, which ends with either: a check that hangs holds nothing up. Every check is
another process in the container, confined as any exec is. The state on record is what ``ps`` shows; the last results
are kept in a file among the container's own.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.contracts.runtime import Stdio
from sampan.engine import events, timestamps
from sampan.errors import Conflict, InvalidInput, NotFound, SampanError
from sampan.kernel import processes
from sampan.model import duration
from sampan.model.container import RUNNING, Container, Status
from sampan.model.image import HealthCheck

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
_SECOND = 10**9
_LEAST = 10**6
_DEFAULTS = HealthCheck(interval=30 * _SECOND, timeout=30 * _SECOND, retries=3, start_interval=5 * _SECOND)
_MOST_RESULTS = 5
_MOST_OUTPUT = 4096


class Result(msgspec.Struct, frozen=True, rename="pascal"):
    """One check. ``exit_code`` -1: it did not end by itself."""

    start: str
    end: str
    exit_code: int
    output: str


class Results(msgspec.Struct, rename="pascal"):
    """How many checks failed in a row, and the last of them."""

    failing_streak: int = 0
    log: list[Result] = []


def check(check: HealthCheck) -> None:
    """Raise InvalidInput, in Docker's words, for a health check that makes no sense."""
    for name, value in (("Interval", check.interval), ("Timeout", check.timeout), ("StartPeriod", check.start_period),
                        ("StartInterval", check.start_interval)):
        if value and value < _LEAST:
            raise InvalidInput(f"{name} in Healthcheck cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidInput("Retries in Healthcheck cannot be negative")
    if check.test and check.test[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise InvalidInput(f'Unknown healthcheck type "{check.test[0]}" (expected "CMD", "CMD-SHELL" or "NONE")')


def command(container: Container) -> tuple[str, ...]:
    """Return the command line of a container's check; empty when it has none."""
    match container.spec.health and container.spec.health.test:
        case ("CMD", *line):
            return tuple(line)
        case ("CMD-SHELL", script):
            return (*(container.spec.shell or ("/bin/sh", "-c")), script)
    return ()


def results(engine: Engine, container: Container) -> Results:
    """Return the last results of a container's checks."""
    try:
        with open(_file(engine, container), "rb") as file:
            return msgspec.json.decode(file.read(), type=Results)
    except (OSError, msgspec.MsgspecError):
        return Results()


@contextmanager
def checks(engine: Engine, container: Container) -> Iterator[None]:
    """Have a container that has just been started checked meanwhile."""
    _keep(engine, container, Results())
    engine.close()  # the store must not be open in both; it is opened anew when next used
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            # The monitor's descriptors are the container's pipes: nobody else may hold them open.
            os.closerange(3, 1 << 20)
            processes.die_with_parent()
            if os.getppid() == parent:
                processes.become_subreaper()
                _Checks(engine, container).run()
        finally:
            os._exit(0)
    # If the child were killed, a check it ran would be ours to reap, and the container could not end before that.
    signal.signal(signal.SIGCHLD, lambda number, frame: _reap_strays({child, container.pid}))
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _reap_strays(known: set[int]) -> None:
    with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
        children = set(map(int, file.read().split()))
    for stray in children - known:
        os.waitpid(stray, os.WNOHANG)


class _Checks:
    """The checks of one run of a container."""

    def __init__(self, engine: Engine, container: Container) -> None:
        given = container.spec.health
        assert given is not None
        self._engine = engine
        self._container = container
        self._interval = (given.interval or _DEFAULTS.interval) / _SECOND
        self._start_interval = (given.start_interval or _DEFAULTS.start_interval) / _SECOND
        self._start_period = given.start_period / _SECOND
        self._timeout = given.timeout or _DEFAULTS.timeout
        self._retries = given.retries or _DEFAULTS.retries
        self._results = Results()
        self._status = STARTING

    def run(self) -> None:
        """Check as often as asked, for ever."""
        while True:
            time.sleep(self._pause())
            try:
                if self._engine.store.containers.get(self._container.id).status is Status.RUNNING:
                    self._take(self._check())
            except (NotFound, Conflict):
                pass  # it is about to end, or has just been paused
            self._engine.close()  # a check may be a long time away

    def _pause(self) -> float:
        if self._status == STARTING and self._starts(time.time()):
            return min(self._start_interval, self._interval)
        return self._interval

    def _starts(self, moment: float) -> bool:
        return moment - self._container.started < self._start_period

    def _check(self) -> Result:
        began = time.time()
        try:
            code, output = _probe(self._engine, self._container, self._timeout)
        except Conflict:
            raise
        except SampanError as error:
            code, output = -1, error.message
        return Result(timestamps.written(began), timestamps.written(time.time()), code, output)

    def _take(self, result: Result) -> None:
        """Draw the conclusions by Docker's rules."""
        self._results.log = [*self._results.log, result][-_MOST_RESULTS:]
        status = self._status
        if result.exit_code == 0:
            self._results.failing_streak, status = 0, HEALTHY
        elif status != STARTING or not self._starts(timestamps.seconds(result.start)):
            self._results.failing_streak += 1
            if self._results.failing_streak >= self._retries:
                status = UNHEALTHY
        _keep(self._engine, self._container, self._results)
        # Asked of the record: pausing has said unhealthy meanwhile.
        record = self._engine.store.containers.update(
            self._container.id, expected=RUNNING, health=status
        )
        if status != self._status:
            self._status = status
            events.container(self._engine, record, f"health_status: {status}")


def _probe(engine: Engine, container: Container, timeout: int) -> tuple[int, str]:
    """Run the check; return its exit code and output. -1 when it took more than ``timeout`` nanoseconds."""
    from sampan.engine import exec_

    request = exec_.ExecRequest(command=command(container))
    process = exec_.described(engine, container, request)
    note = exec_.Note(engine, container, request)
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0):
        try:
            note.begun()
            started = engine.runtime(container.runtime).exec(container.id, process, Stdio(None, writer, writer))
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        output, status = _outcome(started.pid, reader, timeout)
        if status is None:
            return -1, f"Health check exceeded timeout ({duration.written(timeout)})"
        code = exec_.exit_code(status)
        note.ended(code)
        return code, output


def _outcome(pid: int, reader: int, timeout: int) -> tuple[str, int | None]:
    """Read until the process ends, which it is made to after ``timeout``; return the output, and its wait status."""
    kept = bytearray()
    deadline = time.monotonic() + timeout / _SECOND
    pidfd = os.pidfd_open(pid)
    try:
        waiting = [pidfd, reader]
        while True:
            ready = select.select(waiting, [], [], max(0.0, deadline - time.monotonic()))[0]
            if reader in ready and not _read(reader, kept):
                waiting.remove(reader)
            if pidfd in ready:
                while reader in waiting and _read(reader, kept):
                    pass
                return _shown(kept), os.waitpid(pid, 0)[1]
            if not ready:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return "", None
    finally:
        os.close(pidfd)


def _read(reader: int, kept: bytearray) -> bool:
    """Take what there is, of which only the beginning is kept; False when there is no more for now."""
    try:
        content = os.read(reader, 1 << 16)
    except BlockingIOError:
        return False
    kept += content[: _MOST_OUTPUT + 1 - len(kept)]
    return bool(content)


def _shown(output: bytearray) -> str:
    text = output[:_MOST_OUTPUT].decode(errors="replace")
    return f"{text}..." if len(output) > _MOST_OUTPUT else text


def _file(engine: Engine, container: Container) -> str:
    return f"{engine.layout.container(container.id)}/health.json"


def _keep(engine: Engine, container: Container, found: Results) -> None:
    path = _file(engine, container)
    with open(f"{path}.new", "wb") as file:
        file.write(msgspec.json.encode(found))
    os.rename(f"{path}.new", path)
