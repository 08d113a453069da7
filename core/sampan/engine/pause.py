"""Freeze a container's processes, and thaw them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sampan.contracts.runtime import Pauses
from sampan.engine import events, undo
from sampan.errors import Conflict, NotFound, Unsupported
from sampan.model.container import Container, Status

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def pause(engine: Engine, text: str) -> None:
    """Freeze a container; see Engine.pause."""
    container = require_running(engine.container(text))
    if container.status is Status.PAUSED:
        raise Conflict(f"Container {container.id} is already paused")
    # As nobody checks a frozen container, Docker calls it unhealthy.
    with _freezing(engine, container, health=container.health and "unhealthy"):
        pass


def unpause(engine: Engine, text: str) -> None:
    """Thaw a container; see Engine.unpause."""
    container = engine.container(text)
    if container.status is not Status.PAUSED:
        raise Conflict(f"Container {container.id} is not paused")
    thaw(engine, container)


def thaw(engine: Engine, container: Container) -> None:
    """Let a paused container go on, and record that. Possible twice, and when it was never quite frozen."""
    try:
        require_pausing(engine, container).resume(container.id)
    except (Conflict, NotFound):
        pass  # it goes on already, or has ended
    try:
        engine.store.containers.update(container.id, expected=(Status.PAUSED,), status=Status.RUNNING)
    except (Conflict, NotFound):
        return
    events.container(engine, container, "unpause")


@contextmanager
def paused(engine: Engine, container: Container) -> Iterator[None]:
    """Keep a running container frozen for the time of a block; should this process be killed, until the next command.

    Raises Conflict when it does not run (any more), and Unsupported for a runtime that cannot.
    """
    with _freezing(engine, container):
        try:
            yield
        finally:
            thaw(engine, container)


@contextmanager
def _freezing(engine: Engine, container: Container, **changes: Any) -> Iterator[None]:
    """Freeze a container, changing its record; unless the block ends well it is thawed."""
    runtime = require_pausing(engine, container)
    with engine.store.journal.operation("pause", lambda action: undo.undo(engine, action)) as operation:
        with engine.store.database.transaction() as cursor:
            operation.plan("paused", container.id, cursor=cursor)
            engine.store.containers.change(
                cursor, container.id, expected=(Status.RUNNING,), status=Status.PAUSED, **changes
            )
        runtime.pause(container.id)
        events.container(engine, container, "pause")
        yield


def require_running(container: Container) -> Container:
    """Return a container whose processes exist, frozen or not. Raises Conflict, in Docker's words, for any other."""
    if container.status is Status.RESTARTING:
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    if not container.alive:
        raise Conflict(f"Container {container.id} is not running")
    return container


def require_pausing(engine: Engine, container: Container, hint: str = "choose another --runtime") -> Pauses:
    """Return a container's runtime if it can pause. Raises Unsupported."""
    runtime = engine.runtime(container.runtime)
    if not isinstance(runtime, Pauses):
        raise Unsupported(f"the runtime {container.runtime} cannot pause containers", hint)
    return runtime
