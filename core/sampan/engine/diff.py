"""Tell what a container changed in its image's tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.engine import tree
from sampan.model.change import Change, ChangeKind

if TYPE_CHECKING:
    from sampan.contracts.storage import StorageDriver
    from sampan.engine.engine import Engine
    from sampan.model.container import Container

_ETC = b"/etc"
_OWN_FILES = (b"/etc/hosts", b"/etc/hostname", b"/etc/resolv.conf")
_OWN_DIRECTORIES = (b"/dev", b"/proc", b"/sys", _ETC)


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
    kept = [change for change in found if not _is_own(change)]
    if len(kept) == len(found):
        return found
    inside = [place for place in _OWN_DIRECTORIES if any(change.path.startswith(place + b"/") for change in kept)]
    kept += [Change(change.path, ChangeKind.MODIFIED) for change in found if _is_own(change) and change.path in inside]
    etc = Change(_ETC, ChangeKind.MODIFIED)
    if etc in found and _ETC not in inside and not _etc_differs(driver, container, root):
        kept.remove(etc)  # all that happened in it was that mount points were made
    return sorted(kept)


def _is_own(change: Change) -> bool:
    return change.kind is ChangeKind.ADDED and (change.path in _OWN_FILES or change.path in _OWN_DIRECTORIES)


def _etc_differs(driver: StorageDriver, container: Container, root: str) -> bool:
    from sampan import naive
    from sampan.layers import compare

    parent = driver.stat(container.id).parent
    assert parent is not None  # where it was
    with naive.mounted(driver.mounts(parent)) as old:
        return compare.differs(os.lstat(f"{old}/etc"), os.lstat(f"{root}/etc"))
