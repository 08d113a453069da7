"""Write a container's root file system out as a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from sampan.engine import events, formats, tree

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def export(engine: Engine, text: str, out: BinaryIO, name: str) -> None:
    """Write the tree of a container, running or not, to ``out`` in the format ``name``, empty: the settings'.

    What is mounted in it (volumes, /proc, the engine's /etc/hosts …) is not part of it; its mount points are.
    Raises NotFound, and Conflict while it is being created, removed or restarted.
    """
    container = engine.container(text)
    events.container(engine, container, "export")
    archive = formats.rootfs(engine, name or engine.settings.rootfs_format)
    with tree.opened(engine, container) as root:
        archive.write(root, out)
