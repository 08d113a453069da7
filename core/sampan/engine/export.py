"""Write a container's root file system out as a snapshot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from sampan.engine import events, formats
from sampan.errors import Conflict
from sampan.model.container import Status
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_SETTLED = (Status.CREATED, Status.EXITED, Status.DEAD, Status.RUNNING, Status.PAUSED)


def export(engine: Engine, text: str, out: BinaryIO) -> None:
    """Write the tree of a container, running or not, to ``out`` in the format the settings name.

    What is mounted in it (volumes, /proc, the engine's /etc/hosts …) is not part of it; its mount points are.
    Raises NotFound, and Conflict while it is being created or removed.
    """
    container = engine.container(text)
    events.container(engine, container, "export")
    if container.status not in _SETTLED:
        raise Conflict(f"container {container.name} is {container.status}")
    archive = formats.rootfs(engine, engine.settings.rootfs_format)
    if container.alive:
        # The monitor has the root file system mounted, alone; the container's own mounts are made elsewhere. A second
        # mount of the same writable layer would be undefined behaviour with overlayfs.
        seen = f"/proc/{owner.pid_of(container.monitor)}/root{engine.layout.bundle(container.id)}/rootfs"
        descriptor = os.open(seen, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            archive.write(f"/proc/self/fd/{descriptor}", out)
        finally:
            os.close(descriptor)
        return
    from sampan import naive

    with naive.mounted(engine.storage(container.storage_driver).mounts(container.id)) as tree:
        archive.write(tree, out)
