"""Write images as rows of a listing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sampan.cli import units
from sampan.model import reference as references

if TYPE_CHECKING:
    from sampan.model.image import Image

HEADERS = {
    "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID", "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT", "Size": "SIZE", "VirtualSize": "SIZE", "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
}  # fmt: skip
_NONE = "<none>"


def names(image: Image, *, digests: bool) -> Iterator[tuple[str, str, str]]:
    """Yield repository, tag and digest for each row that an image takes."""
    known: dict[str, list[str]] = {}
    for name in image.digests:
        repository, _, digest = name.partition("@")
        known.setdefault(references.familiar(repository), []).append(digest)
    tagged = set()
    for name in image.tags:
        repository, _, tag = name.rpartition(":")
        repository = references.familiar(repository)
        tagged.add(repository)
        for digest in (known.get(repository) if digests else None) or [_NONE]:
            yield repository, tag, digest
    for repository, its in known.items():
        if repository not in tagged:
            for digest in its if digests else [_NONE]:
                yield repository, _NONE, digest
    if not image.tags and not image.digests:
        yield _NONE, _NONE, _NONE


def row(image: Image, repository: str, tag: str, digest: str, *, no_trunc: bool = False) -> dict[str, Any]:
    """Return the fields of a row."""
    return {
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "ID": image.id if no_trunc else image.short_id,
        "CreatedSince": units.ago(image.created) or "N/A",
        "CreatedAt": lambda: time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(image.created)),
        "Size": units.human_size(image.size),
        "VirtualSize": units.human_size(image.size, 4),
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
    }
