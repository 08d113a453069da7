"""End containers: by asking, by killing, or by waiting; or begin them anew."""

from __future__ import annotations

import select
import signal as signals
import time
from typing import TYPE_CHECKING

from sampan.engine import attach, events, pause
from sampan.errors import Conflict, InvalidInput, NotFound, SampanError
from sampan.model.container import ALIVE, Container, Ending, Status

if TYPE_CHECKING:
    from sampan.engine.attach import Attachment
    from sampan.engine.engine import Engine

_DEFAULT_TIMEOUT = 10


def stop(engine: Engine, text: str, *, timeout: int | None, signal: str) -> None:
    """Ask, wait, kill; see Engine.stop."""
    _stop(engine, engine.container(text), timeout, signal, Ending.STOP)


def restart(engine: Engine, text: str, *, timeout: int | None, signal: str) -> None:
    """Stop and start; see Engine.restart."""
    container = engine.container(text)
    _stop(engine, container, timeout, signal, Ending.RESTART)
    try:
        engine.start(container.id)
    except SampanError as error:
        raise type(error)(f"Cannot restart container {text}: {error.message}", error.hint) from error
    events.container(engine, container, "restart")


def _stop(engine: Engine, container: Container, timeout: int | None, signal: str, ending: Ending) -> None:
    number = parse_signal(signal or container.spec.stop_signal or "TERM")
    marked = _mark(engine, container, ending)
    if marked is None:
        return
    if timeout is None:
        timeout = container.spec.stop_timeout if container.spec.stop_timeout is not None else _DEFAULT_TIMEOUT
    _signal(engine, marked, number)
    if not _ended(engine, container, None if timeout < 0 else timeout):
        _signal(engine, container, signals.SIGKILL)
        _ended(engine, container, None)
    events.container(engine, container, "stop")


def _mark(engine: Engine, container: Container, ending: Ending) -> Container | None:
    """Record that a user wants the container to end, which outranks its restart policy; None when it has ended."""
    try:
        return engine.store.containers.update(container.id, expected=ALIVE, ending=ending)
    except (Conflict, NotFound):
        return None


def kill(engine: Engine, text: str, signal: str) -> None:
    """Send a signal; see Engine.kill."""
    number = parse_signal(signal or "KILL")
    try:
        container = engine.container(text)
    except NotFound as error:
        raise NotFound(f"Cannot kill container: {text}: {error.message}") from error
    marked = _mark(engine, container, Ending.STOP) if _ends(container, number) else container
    if marked is None or not marked.alive:
        raise Conflict(f"Cannot kill container: {text}: Container {container.id} is not running")
    _signal(engine, marked, number)
    if number == signals.SIGKILL or marked.status is Status.RESTARTING:
        _ended(engine, container, None)


def _ends(container: Container, number: int) -> bool:
    """Tell whether Docker takes this signal for a wish that the container end.

    It takes any for one where no stop signal was chosen.
    """
    chosen = container.spec.stop_signal
    return number == signals.SIGKILL or not chosen or number == parse_signal(chosen)


def wait(engine: Engine, text: str) -> int:
    """Wait for the end; see Engine.wait."""
    container = engine.container(text)
    if container.alive:
        code = _exit_code(engine, container)
        if code is not None:
            return code
        container = engine.container(container.id)
    return container.exit_code


def parse_signal(text: str) -> int:
    """Return the number of a signal given as TERM, SIGTERM, 15, RTMIN+3 or RTMAX-3. Raises InvalidInput."""
    name = text.upper().removeprefix("SIG")
    base, offset = name[:5], name[6:]
    if name.isdecimal():
        number = int(name)
    elif base in ("RTMIN", "RTMAX") and name[5:6] in ("+", "-") and offset.isdecimal():
        number = getattr(signals, f"SIG{base}") + int(name[5:])
        number = number if number >= signals.SIGRTMIN else 0
    else:
        number = getattr(signals, f"SIG{name}", 0) if name.isalnum() else 0
    if not 0 < number < signals.NSIG:
        raise InvalidInput(f"Invalid signal: {text}")
    return int(number)


def _signal(engine: Engine, container: Container, number: int) -> None:
    """Send a signal, and let one that is frozen take it; a container between two runs has nobody to take it."""
    events.container(engine, container, "kill", signal=str(number))
    if container.status is not Status.RESTARTING:
        try:
            engine.runtime(container.runtime).signal(container.id, number)
        except NotFound:
            pass  # it ended by itself in the meantime
    if container.status is Status.PAUSED and _ends(container, number):
        pause.thaw(engine, container)


def _ended(engine: Engine, container: Container, timeout: float | None) -> bool:
    """Wait at most ``timeout`` seconds until the end is on record."""
    watcher = _watcher(engine, container)
    if watcher is None:
        return True
    deadline = None if timeout is None else time.monotonic() + timeout
    with watcher:
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([watcher], [], [], left)[0]:
                return False
            if watcher.receive() is None or watcher.exit_code is not None:
                return _settled(engine, container)


def _settled(engine: Engine, container: Container) -> bool:
    """Wait the moment it takes a monitor that no longer listens to record the end."""
    for _ in range(500):
        try:
            if not engine.container(container.id).alive:
                return True
        except NotFound:
            return True
        time.sleep(0.01)
    return False


def _watcher(engine: Engine, container: Container) -> Attachment | None:
    """Connect to the monitor, which between two runs does not listen for a moment; None once the container ended."""
    while (watcher := attach.watch(engine, container)) is None:
        try:
            if not engine.container(container.id).alive:
                return None
        except NotFound:
            return None
        time.sleep(0.01)
    return watcher


def _exit_code(engine: Engine, container: Container) -> int | None:
    watcher = _watcher(engine, container)
    if watcher is None:
        return None
    with watcher:
        while watcher.receive() is not None:
            pass
        return watcher.exit_code
