"""Compare a snapshot of any driver with its parent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from sampan.contracts.storage import Change, Compares, StorageDriver


def changes(driver: StorageDriver, key: str, workdir: str = "/sys", *, root: str | None = None) -> Iterator[Change]:
    """Yield what differs from the parent, sorted by path, a directory before what is in it. Raises NotFound.

    ``root`` is where the snapshot is mounted already; it is not mounted again then.
    """
    if isinstance(driver, Compares):
        yield from driver.changes(key)
        return
    from sampan.layers import compare
    from sampan.naive.mounting import mounted

    parent = driver.stat(key).parent
    with ExitStack() as stack:
        new = root or stack.enter_context(mounted(driver.mounts(key), workdir))
        old = stack.enter_context(mounted(driver.mounts(parent), workdir)) if parent is not None else None
        yield from compare.trees(old, new)
