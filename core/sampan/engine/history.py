"""Tell how an image came to be, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import platforms
from sampan.engine.timestamps import seconds
from sampan.errors import Corrupt

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.digest import Digest
    from sampan.model.image import Image


class Step(msgspec.Struct, frozen=True):
    """One line of an image's history.

    ``image`` is the id of the image as it was then, None where that is not known here; ``created`` in seconds since the
    epoch, 0 for no time known; ``size`` what its layer unpacks to in bytes, 0 when it made none.
    """

    image: Digest | None
    created: float
    created_by: str
    size: int
    comment: str


def history(engine: Engine, text: str, *, platform: str) -> list[Step]:
    """Return the steps, the last first. Raises NotFound, also where the image is not for the platform asked for."""
    image = engine.image(text)
    config = engine.store.configuration(image)
    if platform:
        platforms.check_any(config, [platform], text)
    sizes = [engine.store.layers.size(chain) or 0 for chain, _ in engine.store.layers.held("", image.id)]
    entries = config.history or ()
    if sum(not entry.empty_layer for entry in entries) > len(sizes):
        raise Corrupt(f"the history of image {image.short_id} tells of more layers than it has")
    layers = iter(sizes)
    of_each = [0 if entry.empty_layer else next(layers) for entry in entries]
    line = _line(engine, image)
    return [
        Step(next(line, None), seconds(entry.created), entry.created_by or "", size, entry.comment or "")
        for entry, size in zip(reversed(entries), reversed(of_each), strict=True)
    ]


def _line(engine: Engine, image: Image) -> Iterator[Digest]:
    """Yield an image and those it descends from, as far as they are here."""
    yield image.id
    while image.parent and engine.store.images.known(image.parent):
        image = engine.store.images.get(image.parent)
        yield image.id
