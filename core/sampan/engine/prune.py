"""Remove what is not used: containers that do not run, and images that nothing needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import disk_usage
from sampan.engine.remove_image import remove_image
from sampan.errors import Conflict, NotFound
from sampan.model import label
from sampan.model.container import Status

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.image import Image

_PRUNABLE = (Status.CREATED, Status.EXITED, Status.DEAD)


class Pruned(msgspec.Struct, frozen=True):
    """What a prune came to: ids of containers, names of volumes, or Docker's lines on images; the bytes it freed."""

    gone: list[str]
    freed: int


class Choice(msgspec.Struct, frozen=True):
    """Which of the unused: made until then (seconds since the epoch), with all of these labels and none of those."""

    until: float | None = None
    labels: Sequence[str] = ()
    without: Sequence[str] = ()

    def fits(self, created: float, labels: Mapping[str, str]) -> bool:
        """Tell whether it is one."""
        return (
            (self.until is None or created <= self.until)
            and all(label.fits(labels, one) for one in self.labels)
            and not any(label.fits(labels, one) for one in self.without)
        )


def prune_containers(engine: Engine, choice: Choice) -> Pruned:
    """Remove the containers that do not run."""
    gone, freed = [], 0
    for container in engine.containers(all=True):
        if container.status in _PRUNABLE and choice.fits(container.created, container.spec.labels):
            size = disk_usage.container_size(engine, container).own
            try:
                engine.remove(container.id)
            except (Conflict, NotFound):
                continue  # someone started or removed it meanwhile
            gone.append(container.id)
            freed += size
    return Pruned(gone, freed)


def prune_images(engine: Engine, choice: Choice, *, everything: bool) -> Pruned:
    """Remove the images without a tag that nothing needs; with ``everything`` those with tags too."""
    lines: list[str] = []
    freed = 0
    # The newest first, so that an image is gone before those it was committed from.
    for image in engine.images():
        if (everything or not image.tags) and not engine.store.containers.using(image.id):
            for name in _names(engine, image, choice):
                try:
                    removed = remove_image(engine, name)
                except (Conflict, NotFound):
                    continue  # it came into use, or went, meanwhile
                lines += removed.lines
                freed += removed.freed
    return Pruned(lines, freed)


def _names(engine: Engine, image: Image, choice: Choice) -> Iterator[str]:
    """Yield what to remove so that an image goes; nothing when it is not chosen."""
    try:
        labels = engine.store.configuration(image).defaults.labels or {}
    except NotFound:
        return
    if choice.fits(image.created, labels):
        yield from (*image.tags, *image.digests) or (image.id,)
