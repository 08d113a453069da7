"""Extract a layer into an active snapshot of any driver."""

from __future__ import annotations

from typing import BinaryIO

from sampan.contracts.storage import Applies, StorageDriver


def apply(driver: StorageDriver, key: str, layer: BinaryIO, workdir: str = "/sys") -> int:
    """Extract an uncompressed layer tar into the snapshot ``key``, whiteouts carried out; return bytes of content.

    ``workdir`` is as for ``mounted``. When it fails, the snapshot holds part of the layer and is to be removed.
    Raises NotFound, Corrupt, OutOfSpace.
    """
    if isinstance(driver, Applies):
        return driver.apply(key, layer)
    from sampan.layers import extract, whiteouts
    from sampan.naive.mounting import mounted

    with mounted(driver.mounts(key), workdir) as root:
        return extract.extract(layer, root, whiteouts.Remove())
