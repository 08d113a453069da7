"""Remove containers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from sampan.engine import events, stop, undo
from sampan.errors import Conflict, NotFound
from sampan.model.container import Container, Status
from sampan.model.digest import Digest
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.volume import VolumeRecord

_REMOVABLE = (Status.CREATED, Status.EXITED, Status.DEAD)
_PATIENCE = 10.0
"""Seconds given to another command to finish starting a container that is removed by force."""


class _NotYet(Conflict):
    """Another command is starting it."""


def remove(engine: Engine, text: str, *, force: bool, volumes: bool) -> None:
    """Remove a container, with ``volumes`` its anonymous ones too; killed in the middle, the next command goes on."""
    container = engine.container(text)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            if not container.alive or _killed(engine, container, force):
                _remove(engine, container, volumes)
            return
        except _NotYet as error:
            if not force or time.monotonic() > deadline:
                raise Conflict(error.message) from None
        time.sleep(0.005)
        try:
            container = engine.container(container.id)
        except NotFound:
            return


def _killed(engine: Engine, container: Container, force: bool) -> bool:
    """Kill a running container; False when it is its monitor that removes it. Raises Conflict without ``force``."""
    if not force:
        first = "Unpause and then stop" if container.status is Status.PAUSED else "Stop"
        raise Conflict(
            f"You cannot remove a {container.status} container {container.id}. "
            f"{first} the container before attempting removal or force remove"
        )
    try:
        stop.kill(engine, container.id, "KILL")
    except (Conflict, NotFound):
        pass  # it ended by itself
    return not container.spec.auto_remove


def _remove(engine: Engine, container: Container, volumes: bool) -> None:
    with engine.store.journal.operation("remove", lambda action: undo.undo(engine, action)) as operation:
        with engine.store.database.transaction() as cursor:
            record = engine.store.containers.change(cursor, container.id)
            if record.status is Status.REMOVING:
                raise Conflict(f"removal of container {record.name} is already in progress")
            if record.alive or _being_started(record):
                raise _NotYet(f"container {record.name} is being started")
            engine.store.containers.change(cursor, container.id, expected=_REMOVABLE, status=Status.REMOVING)
            own = _own_volumes(engine, record) if volumes or record.spec.auto_remove else []
            for volume in own:  # noted first, so as to go last
                operation.plan("volume", volume.driver, volume.name, volume.maker, cursor=cursor)
            operation.plan("container", container.id, cursor=cursor)
        if record.monitor:
            _clear(engine, record)
        discard(engine, container.id)
        for volume in own:
            _discard_volume(engine, volume)
    events.container(engine, container, "destroy")
    engine.plugins.container_removed(container)


def _own_volumes(engine: Engine, container: Container) -> list[VolumeRecord]:
    """Return the volumes that were made for a container and that nobody named."""
    names = [volume.source for volume in container.spec.volumes if volume.kind == "volume" and volume.anonymous]
    return [found for name in names if (found := engine.store.volumes.find(name))]


def _discard_volume(engine: Engine, volume: VolumeRecord) -> None:
    from sampan.engine import volumes

    volumes.discard(engine, volume.driver, volume.name, volume.maker)


def _being_started(container: Container) -> bool:
    return bool(container.monitor) and container.monitor != owner.current() and owner.alive(container.monitor)


def _clear(engine: Engine, container: Container) -> None:
    """Undo what a monitor that was killed, or could not, has left of the last run."""
    from sampan.engine import halt

    if container.monitor != owner.current():
        halt.halt(engine, container)


def expire(engine: Engine, container: str) -> None:
    """Remove a container whose end was that of its use, unless it has been started since. Possible twice."""
    try:
        record = engine.store.containers.get(container)
        if not record.alive and record.expires:
            remove(engine, container, force=False, volumes=False)
    except (Conflict, NotFound):
        return  # somebody else removes or starts it


def discard(engine: Engine, container: str) -> None:
    """Remove all there is of a container that does not run, its record last. Possible twice."""
    try:
        record = engine.store.containers.get(container)
    except NotFound:
        return
    images = {Digest(volume.image) for volume in record.spec.volumes if volume.kind == "image"}
    if images:
        from sampan.engine import volume_use

        for key in volume_use.images(record):
            engine.storage(record.storage_driver).remove(key)
    engine.storage(record.storage_driver).remove(container)
    remove_tree(engine.layout.container(container))
    with engine.store.database.transaction() as cursor:
        engine.store.containers.remove(cursor, container)
    if not all(map(engine.store.images.known, (record.image_id, *images))):
        from sampan.engine import collect

        collect.orphans(engine, record.storage_driver)  # an image was removed by force before it


def remove_tree(directory: str) -> None:
    """Remove a directory and all in it. Gone already: done."""
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
