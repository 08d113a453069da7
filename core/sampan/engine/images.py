"""List images, and choose among them as ``images`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from sampan.errors import InvalidInput
from sampan.model import label
from sampan.model import reference as references
from sampan.model.image import Image

if TYPE_CHECKING:
    import re

    from sampan.engine.engine import Engine

Filters = Mapping[str, Sequence[str]]
"""Values by filter: ``dangling``, ``reference``, ``before``, ``since``, ``label``, ``until`` (epoch seconds)."""

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def images(engine: Engine, filters: Filters | None = None, *, everything: bool = False) -> list[Image]:
    """Return the images that pass every filter, the newest first; unless ``everything``, without intermediate ones.

    Intermediate is what has no name and was committed from.
    Of several values all must hold, save ``reference``, where any may; only the names that match are left on an image.
    Raises InvalidInput on an unknown filter or value, NotFound when ``before`` or ``since`` names no image.
    """
    found = engine.store.images.all()
    if not everything or "dangling" in (filters or {}):
        parents = {image.parent for image in found}
        found = [image for image in found if image.tags or image.digests or image.id not in parents]
    for name, values in (filters or {}).items():
        if name not in _CHOOSERS:
            raise InvalidInput(f"Invalid filter '{name}'")
        found = _CHOOSERS[name](engine, found, values)
    return found


def _dangling(engine: Engine, found: list[Image], values: Sequence[str]) -> list[Image]:
    for value in values:
        if value not in _TRUE + _FALSE:
            raise InvalidInput(f"Invalid filter 'dangling=[{value}]'")
        found = [image for image in found if (value in _TRUE) != bool(image.tags or image.digests)]
    return found


def _before(engine: Engine, found: list[Image], values: Sequence[str]) -> list[Image]:
    earliest = min(engine.image(value).created for value in values)
    return [image for image in found if image.created < earliest]


def _since(engine: Engine, found: list[Image], values: Sequence[str]) -> list[Image]:
    latest = max(engine.image(value).created for value in values)
    return [image for image in found if image.created > latest]


def _until(engine: Engine, found: list[Image], values: Sequence[str]) -> list[Image]:
    earliest = min(map(float, values))
    return [image for image in found if image.created < earliest]


def _label(engine: Engine, found: list[Image], values: Sequence[str]) -> list[Image]:
    return [image for image in found if all(_has_label(engine, image, value) for value in values)]


def _has_label(engine: Engine, image: Image, wanted: str) -> bool:
    return label.fits(engine.store.configuration(image).defaults.labels or {}, wanted)


def _reference(engine: Engine, found: list[Image], values: Sequence[str]) -> list[Image]:
    patterns = [_pattern(value) for value in values]
    kept = (
        msgspec.structs.replace(
            image,
            tags=tuple(name for name in image.tags if _fits(name, patterns)),
            digests=tuple(name for name in image.digests if _fits(name, patterns)),
        )
        for image in found
    )
    return [image for image in kept if image.tags or image.digests]


def _fits(name: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    reference = references.parse(name)
    shown = (reference.familiar, reference.familiar_repository)
    return any(pattern.fullmatch(text) for pattern in patterns for text in shown)


def _pattern(text: str) -> re.Pattern[str]:
    """Return a shell pattern, in which a star stops at a slash, as a regular expression."""
    import re

    parts = []
    for one in re.findall(r"\\.|\[\^?[^\]]+\]|.", text, re.DOTALL):
        if one in "*?":
            parts.append("[^/]*" if one == "*" else "[^/]")
        else:
            parts.append(one if len(one) > 1 else re.escape(one))
    try:
        return re.compile("".join(parts))
    except re.error as error:
        raise InvalidInput(f"invalid filter 'reference={text}': syntax error in pattern") from error


_CHOOSERS = {
    "dangling": _dangling, "reference": _reference, "label": _label, "before": _before, "since": _since,
    "until": _until,
}  # fmt: skip
