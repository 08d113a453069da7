"""End containers: by asking, by killing, or by waiting."""

from __future__ import annotations

import select
import signal as signals
import time
from typing import TYPE_CHECKING

from sampan.engine import attach
from sampan.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container

_DEFAULT_TIMEOUT = 10


def stop(engine: Engine, text: str, *, timeout: int | None, signal: str) -> None:
    """Ask, wait, kill; see Engine.stop."""
    container = engine.container(text)
    if not container.alive:
        return
    if timeout is None:
        timeout = container.spec.stop_timeout if container.spec.stop_timeout is not None else _DEFAULT_TIMEOUT
    number = parse_signal(signal or container.spec.stop_signal or "TERM")
    _signal(engine, container, number)
    if not _ended(engine, container, None if timeout < 0 else timeout):
        _signal(engine, container, signals.SIGKILL)
        _ended(engine, container, None)


def kill(engine: Engine, text: str, signal: str) -> None:
    """Send a signal; see Engine.kill."""
    number = parse_signal(signal)
    container = engine.container(text)
    if not container.alive:
        raise Conflict(f"Cannot kill container: {text}: Container {container.id} is not running")
    _signal(engine, container, number)
    if number == signals.SIGKILL:
        _ended(engine, container, None)


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
    try:
        engine.runtime(container.runtime).signal(container.id, number)
    except NotFound:
        pass  # it ended by itself in the meantime


def _ended(engine: Engine, container: Container, timeout: float | None) -> bool:
    """Wait at most ``timeout`` seconds until the end is on record."""
    watcher = attach.watch(engine, container)
    if watcher is None:
        return _settled(engine, container)
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


def _exit_code(engine: Engine, container: Container) -> int | None:
    watcher = attach.watch(engine, container)
    if watcher is None:
        return None if _settled(engine, container) else container.exit_code
    with watcher:
        while watcher.receive() is not None:
            pass
        return watcher.exit_code
