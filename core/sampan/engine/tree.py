"""Reach a container's root file system, whether it runs or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.errors import Conflict
from sampan.model.container import Status
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container

_STILL = (Status.CREATED, Status.EXITED, Status.DEAD)
_RUNNING = (Status.RUNNING, Status.PAUSED)


@contextmanager
def opened(engine: Engine, container: Container) -> Iterator[str]:
    """Give a path of the container's tree, good in this process, without what is mounted in it: mount points alone.

    Raises Conflict while it is being created, removed or restarted.
    """
    if container.status in _RUNNING:
        # The monitor has the root file system mounted, alone; the container's own mounts are made elsewhere. A second
        # mount of the same writable layer would be undefined behaviour with overlayfs.
        seen = f"/proc/{owner.pid_of(container.monitor)}/root{engine.layout.bundle(container.id)}/rootfs"
        try:
            descriptor = os.open(seen, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Conflict(f"container {container.name} has just ended", "try again") from error
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    if container.status not in _STILL:
        raise Conflict(f"container {container.name} is {container.status}")
    from sampan import naive

    with naive.mounted(engine.storage(container.storage_driver).mounts(container.id)) as tree:
        yield tree
