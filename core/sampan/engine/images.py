"""List images, and choose among them as ``images`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from sampan.errors import InvalidInput, NotFound
from sampan.model import reference as references
from sampan.model.image import Image, ImageConfig, decode

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

Filters = Mapping[str, Sequence[str]]
"""Values by filter: ``dangling``, ``reference``, ``before``, ``since``, ``label``."""


def images(engine: Engine, filters: Filters | None = None) -> list[Image]:
    """Return the images that pass every filter, the newest first.

    A filter given several times lets through what any of its values does, save ``label``, whose values must all
    hold. With ``reference`` only the names that match are left on an image. Raises InvalidInput on an unknown filter
    and a value that makes no sense, NotFound when ``before`` or ``since`` names no image.
    """
    found = engine.store.images.all()
    for name, values in (filters or {}).items():
        match name:
            case "dangling":
                found = [image for image in found if (not image.tags) in {_truth(value) for value in values}]
            case "reference":
                found = [kept for image in found if (kept := _matching(image, values)).tags or kept.digests]
            case "before":
                found = [image for image in found if image.created < max(_moment(engine, value) for value in values)]
            case "since":
                found = [image for image in found if image.created > min(_moment(engine, value) for value in values)]
            case "label":
                found = [image for image in found if _labelled(engine, image, values)]
            case _:
                raise InvalidInput(f"Invalid filter '{name}'")
    return found


def _truth(text: str) -> bool:
    if text.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise InvalidInput(f"Invalid filter 'dangling={text}'")
    return text.lower() in ("1", "t", "true")


def _moment(engine: Engine, text: str) -> float:
    try:
        return engine.store.images.find(text).created
    except NotFound:
        raise NotFound(f"No such image: {text}") from None


def _matching(image: Image, patterns: Sequence[str]) -> Image:
    return msgspec.structs.replace(
        image,
        tags=tuple(name for name in image.tags if _fits(name, patterns)),
        digests=tuple(name for name in image.digests if _fits(name, patterns)),
    )


def _fits(name: str, patterns: Sequence[str]) -> bool:
    """Match the familiar name with and without its tag, ``*`` stopping at a slash (Go's path.Match)."""
    reference = references.parse(name)
    shapes = (reference.familiar, reference.familiar_repository)
    return any(
        shape.count("/") == pattern.count("/")
        and all(map(fnmatchcase, shape.split("/"), pattern.split("/")))
        for pattern in patterns
        for shape in shapes
    )


def _labelled(engine: Engine, image: Image, wanted: Sequence[str]) -> bool:
    config = decode(engine.store.blobs.read(image.id), ImageConfig, f"the configuration of image {image.short_id}")
    labels = config.defaults.labels or {}
    for text in wanted:
        key, equals, value = text.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
