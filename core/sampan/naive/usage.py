"""Measure what a snapshot of any driver occupies beyond its parent."""

from __future__ import annotations

import os

from sampan.contracts.storage import ChangeKind, Measures, StorageDriver, Usage
from sampan.layers import measure


def usage(driver: StorageDriver, key: str, workdir: str = "/sys") -> Usage:
    """Return the size of files and symbolic links that are new or changed, and how many inodes. Raises NotFound."""
    if isinstance(driver, Measures):
        return driver.usage(key)
    from sampan.naive.diff import changes
    from sampan.naive.mounting import mounted

    found = [change.path for change in changes(driver, key, workdir) if change.kind != ChangeKind.DELETED]
    size = 0
    inodes: set[int] = set()
    with mounted(driver.mounts(key), workdir) as root:
        for path in found:
            status = os.lstat(os.fsencode(root) + path)
            if status.st_ino not in inodes:
                size += measure.content(status)
            inodes.add(status.st_ino)
    return Usage(size, len(inodes))
