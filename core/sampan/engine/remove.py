"""Remove containers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.engine import stop, undo
from sampan.errors import Conflict, NotFound
from sampan.model.container import Status
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_REMOVABLE = (Status.CREATED, Status.EXITED, Status.DEAD)


def remove(engine: Engine, text: str, *, force: bool) -> None:
    """Remove a container; killed in the middle, the next command completes it."""
    container = engine.container(text)
    if container.alive and not force:
        raise Conflict(
            f"You cannot remove a running container {container.id}. "
            "Stop the container before attempting removal or force remove"
        )
    if container.alive:
        stop.kill(engine, container.id, "KILL")
        if container.spec.auto_remove:
            return  # its monitor does
    with engine.store.journal.operation("remove", lambda action: undo.undo(engine, action)) as operation:
        with engine.store.database.transaction() as cursor:
            record = engine.store.containers.change(cursor, container.id, expected=_REMOVABLE)
            if record.monitor and owner.alive(record.monitor) and owner.current() != record.monitor:
                raise Conflict(f"container {record.name} is being started")
            engine.store.containers.change(cursor, container.id, status=Status.REMOVING)
            operation.plan("container", container.id, cursor=cursor)
        discard(engine, container.id)
    engine.plugins.container_removed(container)


def discard(engine: Engine, container: str) -> None:
    """Remove all there is of a container that does not run, its record last. Possible twice."""
    try:
        record = engine.store.containers.get(container)
    except NotFound:
        return
    engine.storage(record.storage_driver).remove(container)
    _remove_tree(engine.layout.container(container))
    with engine.store.database.transaction() as cursor:
        engine.store.containers.remove(cursor, container)


def _remove_tree(directory: str) -> None:
    # shutil would cost 8 ms to import on the way of every `run --rm`.
    for parent, directories, files in os.walk(directory, topdown=False):
        for name in files:
            os.unlink(os.path.join(parent, name))
        for name in directories:
            os.rmdir(os.path.join(parent, name))
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        pass
