"""Reach a container's root file system, whether it runs or not.

A writable layer is mounted once at a time, for with overlayfs the outcome of more is undefined: by the monitor from its
claim on the container to the end of the run, otherwise by one command under the container's lock, without which no
monitor claims it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.errors import Conflict
from sampan.model.container import RUNNING, Status
from sampan.store import locks, owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container

_STILL = (Status.CREATED, Status.EXITED, Status.DEAD)
_PATIENCE = 10.0
"""Seconds given to another command that has the tree open, or starts the container, by one that reaches in."""
_BETWEEN_TRIES = 0.005


@contextmanager
def opened(engine: Engine, container: Container) -> Iterator[str]:
    """Give a path to read the container's tree by, good in this process, without what is mounted in it.

    Raises Conflict while it is being created, removed or restarted, and while another command keeps it.
    """
    with settled(engine, container) as now:
        if now.status not in RUNNING:
            with mounted(engine, now, read_only=True) as root:
                yield root
            return
        # The monitor has the root file system mounted, alone; the container's own mounts are made elsewhere.
        seen = f"/proc/{owner.pid_of(now.monitor)}/root{engine.layout.bundle(now.id)}/rootfs"
        try:
            descriptor = os.open(seen, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Conflict(f"container {now.name} has just ended", "try again") from error
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)


@contextmanager
def settled(engine: Engine, container: Container) -> Iterator[Container]:
    """Give the record of a container that runs, or of one that nobody starts or mounts for the time of the block.

    Raises what ``opened`` raises, and NotFound.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        record = engine.store.containers.get(container.id)
        if record.status in RUNNING:
            yield record
            return
        if record.status not in _STILL:
            raise Conflict(f"container {record.name} is {record.status}")
        with locks.exclusive(engine.layout, locks.of_container(record.id), wait=False) as ours:
            if ours:
                record = engine.store.containers.get(container.id)  # as it stays from now on
                if record.status in _STILL and not _has_monitor(record):
                    yield record
                    return
        _wait(record, deadline)


@contextmanager
def alone(engine: Engine, container: Container, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a container's lock, to claim the container, however long another command keeps it.

    ``waiting`` is called again and again meanwhile, and raises to give up.
    """
    while True:
        with locks.exclusive(engine.layout, locks.of_container(container.id), wait=False) as ours:
            if ours:
                yield
                return
        waiting()
        time.sleep(_BETWEEN_TRIES)


@contextmanager
def mounted(
    engine: Engine, container: Container, bound: Mapping[str, int] | None = None, *, read_only: bool = False
) -> Iterator[str]:
    """Mount the tree of a container that is settled and does not run, with what is ``bound`` in it.

    See ``naive.mounted``.
    """
    from sampan import naive

    mounts = engine.storage(container.storage_driver).mounts(container.id)
    with naive.mounted(mounts, bound=bound, read_only=read_only) as root:
        yield root


def _has_monitor(container: Container) -> bool:
    """Tell whether it is being started, or its run cleared up."""
    return bool(container.monitor) and owner.alive(container.monitor)


def _wait(container: Container, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Conflict(f"container {container.name} is in use by another command", "try again when that has ended")
    time.sleep(_BETWEEN_TRIES)
