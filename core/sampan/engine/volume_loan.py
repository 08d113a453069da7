"""Lend what a container mounts to whoever looks into it while it does not run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sampan.engine import bundle_mounts, names, undo, volume_use, volumes
from sampan.kernel import mount, paths
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container, Volume
    from sampan.store.journal import Operation


@contextmanager
def lent(engine: Engine, container: Container) -> Iterator[dict[str, int]]:
    """Yield detached clones of a container's volumes, bind mounts and host files by their targets, parents first.

    As with Docker, what is a tmpfs while it runs is nothing now, and so is an image. Raises NotFound for a volume, or a
    part of one, that is gone, and what its driver raises.
    """
    bundle_mounts.check(container.spec.volumes)
    with ExitStack() as stack:
        operation = stack.enter_context(
            engine.store.journal.operation("lend", lambda action: undo.undo(engine, action))
        )
        sources = _host_files(engine, container)
        for volume in container.spec.volumes:
            target = os.path.normpath(volume.target)
            if volume.kind in ("tmpfs", "image"):
                sources.pop(target, None)
            else:
                place = volume.source if volume.kind == "bind" else _borrow(engine, stack, operation, volume)
                sources[target] = place, volume
        clones = {}
        for target, (place, part) in sorted(sources.items(), key=lambda item: item[0].count("/")):
            clones[target] = _clone(place, part)
            stack.callback(os.close, clones[target])
        yield clones


def _host_files(engine: Engine, container: Container) -> dict[str, tuple[str, Volume | None]]:
    """Return the files that the engine wrote for the last run."""
    where = engine.layout.container(container.id)
    written = [name for name in bundle_mounts.HOST_FILES if os.path.exists(f"{where}/{name}")]
    return {f"/etc/{name}": (f"{where}/{name}", None) for name in written}


def _borrow(engine: Engine, stack: ExitStack, operation: Operation, volume: Volume) -> str:
    """Have a volume mounted, as if for a container of its own, until the stack closes."""
    record, user = engine.store.volumes.get(volume.source), names.container_id()
    operation.plan("lent", record.driver, record.name, user)
    stack.callback(give_back, engine, record.driver, record.name, user)
    with locks.exclusive(engine.layout, volumes.lock(record.name)):
        return engine.volumes(record.driver).mount(record.name, user)


def give_back(engine: Engine, driver: str, name: str, user: str) -> None:
    """Undo the mounting of a volume. Possible twice, and before it was mounted."""
    with locks.exclusive(engine.layout, volumes.lock(name)):
        engine.volumes(driver).unmount(name, user)


def _clone(place: str, volume: Volume | None) -> int:
    found = volume_use.open_part(place, volume) if volume else os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        tree = mount.clone(paths.name_of(found), recursive=not volume or volume.recursive != "disabled")
    finally:
        os.close(found)
    mount.set_attributes(tree, propagation=mount.PRIVATE, recursive=True)
    if volume and volume.read_only:
        mount.make_readonly(tree, recursive=volume.recursive != "writable")
    return tree
