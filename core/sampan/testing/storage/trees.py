"""Make snapshots with a driver, and look into them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sampan import naive
from sampan.contracts.storage import StorageDriver
from sampan.testing.storage.archive import Archive

Make = Callable[[str], StorageDriver]


def layer(driver: StorageDriver, name: str, parent: str | None, archive: Archive) -> int:
    """Make a committed snapshot of a layer and return the bytes of its content."""
    driver.prepare(f"unpack-{name[-100:]}", parent)
    size = naive.apply(driver, f"unpack-{name[-100:]}", archive.stream())
    driver.commit(f"unpack-{name[-100:]}", name)
    return size


@contextmanager
def tree(driver: StorageDriver, key: str) -> Iterator[str]:
    """Give the root of a snapshot's tree."""
    with naive.mounted(driver.mounts(key)) as path:
        yield path


def names(top: str) -> list[str]:
    """Return the paths of everything in a tree, sorted."""
    found = []
    for path, directories, files in os.walk(top):
        found += [os.path.relpath(f"{path}/{name}", top) for name in directories + files]
    return sorted(found)


def read(top: str, name: str) -> bytes:
    """Return a file's content."""
    with open(f"{top}/{name}", "rb") as file:
        return file.read()


def weight(root: str) -> int:
    """Count what is in a directory."""
    return len(names(root))
