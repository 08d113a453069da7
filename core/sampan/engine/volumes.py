"""Make, list and remove volumes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sampan.engine import timestamps, undo
from sampan.errors import Conflict, InvalidInput, NotFound, SampanError
from sampan.model.volume import VolumeRecord
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.engine.prune import Pruned
    from sampan.model.container import Container
    from sampan.store.journal import Operation

Filters = Mapping[str, Sequence[str]]
"""Values by filter: ``dangling``, ``driver``, ``name``, ``label``, and ``label!``."""

_LONGEST_NAME = 240  # a lock, whose file is named after it, needs some of the 255 there are
_KNOWN = ("dangling", "driver", "name", "label", "label!")
_TRUE, _FALSE = ("1", "t", "true", "True", "TRUE", "T"), ("0", "f", "false", "False", "FALSE", "F")


def create(
    engine: Engine, name: str, *, driver: str = "", options: Mapping[str, str], labels: Mapping[str, str]
) -> VolumeRecord:
    """Return the volume of this name, made if there is none; no name: a new one gets one.

    Raises Conflict when another driver has it, and what the driver has against it.
    """
    found = engine.store.volumes.find(name) if name else None
    if found:
        return _fitting(found, driver)
    driver = driver or engine.settings.volume_driver
    with engine.store.journal.operation("volume", lambda action: undo.undo(engine, action)) as operation:
        wanted = VolumeRecord(
            name=name or os.urandom(32).hex(), driver=driver, created=time.time(), maker=operation.id,
            anonymous=not name, options=dict(options), labels=dict(labels),
        )
        plan(engine, operation, wanted)
        return ensure(engine, wanted)


def plan(engine: Engine, operation: Operation, wanted: VolumeRecord) -> None:
    """Note how to undo ``ensure``. Raises NotFound when there is no such driver, InvalidInput on an impossible name."""
    with _told(wanted.name):
        if "\0" in wanted.name or len(os.fsencode(wanted.name)) > _LONGEST_NAME:
            raise InvalidInput(f"a volume's name has at most {_LONGEST_NAME} bytes, none of them null")
        engine.volumes(wanted.driver)
    operation.plan("volume", wanted.driver, wanted.name, wanted.maker)


def ensure(engine: Engine, wanted: VolumeRecord) -> VolumeRecord:
    """Return the volume of this name; make the one that is wanted if there is none. Raises what ``create`` raises."""
    name = wanted.name
    with locks.exclusive(engine.layout, lock(name)):
        found = engine.store.volumes.find(name)
        if found:
            return _fitting(found, wanted.driver)
        with _told(name):
            engine.volumes(wanted.driver).create(name, wanted.options)
        with engine.store.database.transaction() as cursor:
            engine.store.volumes.add(cursor, wanted)
    return wanted


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Have errors tell what they are about, as Docker does."""
    try:
        yield
    except SampanError as error:
        raise type(error)(f"create {name}: {error.message}", error.hint) from error


def _fitting(found: VolumeRecord, driver: str) -> VolumeRecord:
    if driver and driver != found.driver:
        raise Conflict(f"create {found.name}: conflict: volume name must be unique", f"it is {found.driver}'s")
    return found


def lock(name: str) -> str:
    """Return the lock under which one volume is made, mounted and removed."""
    return f"volume-{name}"


def remove(engine: Engine, name: str) -> None:
    """Remove a volume. Raises NotFound, and Conflict when a container uses it."""
    record = engine.store.volumes.get(name)
    with engine.store.journal.operation("remove-volume", lambda action: undo.undo(engine, action)) as operation:
        with engine.store.database.transaction() as cursor:
            by = users(engine, name)
            if by:
                listing = ", ".join(container.id for container in by)
                raise Conflict(f"remove {name}: volume is in use - [{listing}]")
            operation.plan("volume", record.driver, name, record.maker, cursor=cursor)
        discard(engine, record.driver, name, record.maker)


def discard(engine: Engine, driver: str, name: str, maker: str) -> None:
    """Remove all there is of a volume that no container uses, its record last. Possible twice.

    One that another operation made since is left alone.
    """
    with locks.exclusive(engine.layout, lock(name)):
        found = engine.store.volumes.find(name)
        if users(engine, name) or (found and found.maker != maker):
            return
        engine.volumes(driver).remove(name)
        with engine.store.database.transaction() as cursor:
            engine.store.volumes.remove(cursor, name)


def users(engine: Engine, name: str) -> list[Container]:
    """Return the containers that use a volume."""
    return [container for container in engine.store.containers.all() if name in used(container)]


def used(container: Container) -> set[str]:
    """Return the names of the volumes that a container uses."""
    return {volume.source for volume in container.spec.volumes if volume.kind == "volume"}


def volumes(engine: Engine, filters: Filters | None = None) -> list[VolumeRecord]:
    """Return the volumes that pass every filter, by name. Raises InvalidInput on an unknown filter or value."""
    found = engine.store.volumes.all()
    for name, values in (filters or {}).items():
        if name not in _KNOWN:
            raise InvalidInput(f"invalid filter '{name}'")
        found = _chosen(engine, found, name, values)
    return found


def _chosen(engine: Engine, found: list[VolumeRecord], name: str, values: Sequence[str]) -> list[VolumeRecord]:
    match name:
        case "dangling":
            return _dangling(engine, found, values)
        case "driver":
            return [volume for volume in found if volume.driver in values]
        case "name":
            return [volume for volume in found if any(value in volume.name for value in values)]
        case "label":
            return [volume for volume in found if all(_labelled(volume, value) for value in values)]
    return [volume for volume in found if not any(_labelled(volume, value) for value in values)]


def _dangling(engine: Engine, found: list[VolumeRecord], values: Sequence[str]) -> list[VolumeRecord]:
    busy = {name for container in engine.store.containers.all() for name in used(container)}
    for value in values:
        if value not in _TRUE + _FALSE:
            raise InvalidInput(f"invalid filter 'dangling=[{value}]'")
        found = [volume for volume in found if (value in _TRUE) == (volume.name not in busy)]
    return found


def _labelled(volume: VolumeRecord, wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in volume.labels and (not equals or volume.labels[key] == value)


def prune(engine: Engine, filters: Filters | None = None, *, everything: bool = False) -> Pruned:
    """Remove the anonymous volumes, or with ``everything`` all, that no container uses and that pass the filters."""
    from sampan.engine.prune import Pruned

    gone, freed = [], 0
    for volume in volumes(engine, {**(filters or {}), "dangling": ["true"]}):
        if not (everything or volume.anonymous):
            continue
        size = measured(engine, volume)
        try:
            remove(engine, volume.name)
        except (Conflict, NotFound):
            continue  # someone uses it since, or has removed it
        gone.append(volume.name)
        freed += size
    return Pruned(gone, freed)


def measured(engine: Engine, volume: VolumeRecord) -> int:
    """Return the bytes of a volume's files and symbolic links; 0 where its driver tells no directory."""
    where = engine.volumes(volume.driver).where(volume.name)
    if not os.path.isdir(where):
        return 0
    from sampan.layers import measure

    return measure.tree(where)[0]


def inspect(engine: Engine, name: str) -> dict[str, Any]:
    """Return what Docker's ``volume inspect`` shows. Raises NotFound."""
    volume = engine.store.volumes.get(name)
    driver = engine.volumes(volume.driver)
    status = dict(driver.status(name))
    return {
        "CreatedAt": timestamps.written(int(volume.created)),
        "Driver": volume.driver,
        "Labels": volume.labels or None,
        "Mountpoint": driver.where(name),
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": driver.scope(),
        **({"Status": status} if status else {}),
    }
