"""Choose images by ``--filter``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from sampan.cli.flags import FALSE, TRUE
from sampan.errors import InvalidInput
from sampan.model import reference as references

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.model.image import Image

_KNOWN = ("dangling", "reference", "label", "before", "since")


def matching(context: Context, images: Iterable[Image], filters: Iterable[tuple[str, str]]) -> Iterator[Image]:
    """Yield the images that fit, with the names that fit. Raises InvalidInput for a name or value there is not."""
    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        if name not in _KNOWN:
            raise InvalidInput(f"Invalid filter '{name}'")
        if name == "dangling" and value not in TRUE | FALSE:
            raise InvalidInput(f"Invalid filter 'dangling=[{value}]'")
        wanted.setdefault(name, []).append(value)
    before = [context.engine.image(name).created for name in wanted.get("before", ())]
    since = [context.engine.image(name).created for name in wanted.get("since", ())]
    patterns = [_pattern(text) for text in wanted.get("reference", ())]
    for image in images:
        if any(image.created >= moment for moment in before) or any(image.created <= moment for moment in since):
            continue
        if any((value in TRUE) == bool(image.tags or image.digests) for value in wanted.get("dangling", ())):
            continue
        if "label" in wanted and not _labelled(context, image, wanted["label"]):
            continue
        if not patterns:
            yield image
        elif (named := _named(image, patterns)) is not None:
            yield named


def _labelled(context: Context, image: Image, values: list[str]) -> bool:
    from sampan_plugins.commands._container_filters import label_fits

    labels = context.engine.inspect_image(image.id)["Config"].get("Labels") or {}
    return all(label_fits(labels, value) for value in values)


def _named(image: Image, patterns: list[re.Pattern[str]]) -> Image | None:
    """Return the image with the names that fit alone, None when none does."""
    tags = tuple(name for name in image.tags if _fits(name, patterns))
    digests = tuple(name for name in image.digests if _fits(name, patterns))
    return msgspec.structs.replace(image, tags=tags, digests=digests) if tags or digests else None


def _fits(name: str, patterns: list[re.Pattern[str]]) -> bool:
    reference = references.parse(name)
    shown = (reference.familiar, reference.familiar_repository)
    return any(pattern.fullmatch(text) for pattern in patterns for text in shown)


def _pattern(text: str) -> re.Pattern[str]:
    """Return a shell pattern, in which a star stops at a slash, as a regular expression."""
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
