"""Bring the records back to the truth after commands or monitors were killed, or the machine went down."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from sampan.errors import NotFound, SampanError
from sampan.model.container import Container, Status
from sampan.store import locks, owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation

KILLED = 137
"""The exit code of a container that ended with its monitor: it was killed."""
LOST = 255
"""The exit code of a container that a reboot ended: nobody knows."""


def sweep(engine: Engine) -> None:
    """Undo what dead processes left half done. Costs one query when there is nothing."""
    from sampan.engine import undo

    if engine.store.journal.sweep(lambda action: undo.undo(engine, action)):
        engine.store.blobs.sweep()


def reconcile(engine: Engine) -> None:
    """Find every container on record as running whose monitor is gone."""
    for container in engine.store.containers.alive():
        if not _looked_after(engine, container):
            try:
                _bury(engine, container.id)
            except SampanError:
                continue  # what it was made with does not work now: that must not keep the others from being listed


def truth(engine: Engine, container: Container) -> Container:
    """Return the record as it is once a vanished monitor is accounted for."""
    if not container.alive or _looked_after(engine, container):
        return container
    _bury(engine, container.id)
    return engine.store.containers.get(container.id)


def _looked_after(engine: Engine, container: Container) -> bool:
    return owner.alive(container.monitor) and not _unreachable(engine, container)


def _unreachable(engine: Engine, container: Container) -> bool:
    """Tell whether somebody removed what is below the run root from under a container, without a reboot.

    At its end a run loses its bundle too, but after its processes.
    """
    if container.status is Status.RESTARTING or os.path.exists(engine.layout.bundle(container.id)):
        return False
    from sampan.engine import limits

    try:
        return container.pid in limits.group(container).pids()
    except SampanError:
        return False  # without cgroups there is no telling


def _bury(engine: Engine, container: str) -> None:
    from sampan.engine import undo

    with (
        engine.plugins.answering(),
        engine.store.journal.operation("end", lambda action: undo.undo(engine, action)) as operation,
    ):
        record = _ended(engine, operation, container)
        if record is None:
            return
        engine.plugins.container_exited(record)
        if record.expires:
            engine.remove(container)


def _ended(engine: Engine, operation: Operation, container: str) -> Container | None:
    """Clear up after a container whose monitor is gone, and record its end; None when another did."""
    from sampan.engine import halt

    with locks.exclusive(engine.layout, locks.of_container(container)):
        try:
            record = engine.store.containers.get(container)
        except NotFound:
            return None
        if not record.alive or _looked_after(engine, record):
            return None
        owner.kill(record.monitor)
        halt.end(engine, record)
        rebooted = owner.boot_of(record.monitor) != owner.boot_of(owner.current())
        with engine.store.database.transaction() as cursor:
            if record.expires:
                operation.plan("ended", container, cursor=cursor)
            return engine.store.containers.change(
                cursor, container, status=Status.EXITED, pid=0, exit_code=LOST if rebooted else KILLED,
                error="" if rebooted else "the monitor was killed", finished=time.time(), monitor="",
            )
