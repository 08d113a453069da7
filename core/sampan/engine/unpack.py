"""Make sure that a storage driver holds an image unpacked: on every container's way, so with light imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.progress import Report, silent

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.digest import Digest
    from sampan.model.image import Image


def ensure_unpacked(engine: Engine, image: Image, driver: str, report: Report = silent) -> Digest | None:
    """Unpack whatever layers of an image a driver lacks; return the top chain, None for an image without layers.

    Raises NotFound when a blob is gone and Corrupt when one is damaged.
    """
    held = engine.store.layers.held(driver, image.id)
    if not all(present for _, present in held):
        from sampan.engine.unpacking import unpack

        unpack(engine, image, driver, report)
    return held[-1][0] if held else None
