"""Tell what a container changed in its image's tree."""

from __future__ import annotations

import os
from bisect import bisect_left
from typing import TYPE_CHECKING

from sampan.engine import tree
from sampan.model.change import Change, ChangeKind

if TYPE_CHECKING:
    from sampan.contracts.storage import StorageDriver
    from sampan.engine.engine import Engine
    from sampan.model.container import Container

_ETC = b"/etc"
_OWN = frozenset((b"/etc/hosts", b"/etc/hostname", b"/etc/resolv.conf", b"/dev", b"/proc", b"/sys", _ETC))


def diff(engine: Engine, text: str) -> list[Change]:
    """Return a container's changes, each directory directly before all that is in it. Raises NotFound, Conflict."""
    container = engine.container(text)
    with tree.opened(engine, container) as root:
        return sorted(changes(engine, container, root), key=lambda change: change.path.split(b"/"))


def changes(engine: Engine, container: Container, root: str) -> list[Change]:
    """Return how a container's tree, mounted at ``root``, differs from its image's, sorted by path.

    Where every container has something mounted, the mount point counts as having been in the image.
    """
    from sampan import naive

    driver = engine.storage(container.storage_driver)
    found = list(naive.changes(driver, container.id, root=root))
    own = [change for change in found if change.path in _OWN and change.kind is ChangeKind.ADDED]
    if not own:
        return found
    kept = [change for change in found if change.path not in _OWN or change.kind is not ChangeKind.ADDED]
    paths = [change.path for change in kept]
    kept += [Change(change.path, ChangeKind.MODIFIED) for change in own if _has_below(paths, change.path)]
    etc = Change(_ETC, ChangeKind.MODIFIED)
    if etc in found and not _has_below(paths, _ETC) and not _etc_differs(driver, container, root):
        kept.remove(etc)  # all that happened in it was that mount points were made
    return sorted(kept)


def _has_below(paths: list[bytes], directory: bytes) -> bool:
    """Tell whether any of the sorted paths is in a directory."""
    place = bisect_left(paths, directory + b"/")
    return place < len(paths) and paths[place].startswith(directory + b"/")


def _etc_differs(driver: StorageDriver, container: Container, root: str) -> bool:
    from sampan import naive
    from sampan.layers import compare

    parent = driver.stat(container.id).parent
    assert parent is not None  # where it was
    with naive.mounted(driver.mounts(parent)) as old:
        return compare.differs(os.lstat(f"{old}/etc"), os.lstat(f"{root}/etc"))
