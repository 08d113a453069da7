"""Write images to an archive, their documents and blobs as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from sampan.contracts.format import Saved
from sampan.contracts.origin import Fetched
from sampan.engine import events, formats, platforms, undo
from sampan.errors import InvalidInput
from sampan.model import descriptor as types
from sampan.model import reference as references
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.image import Image, ImageConfig, Manifest, decode
from sampan.model.reference import Reference

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def save(engine: Engine, texts: Sequence[str], out: BinaryIO, *, form: str, platform: str) -> None:
    """Write images to ``out`` in the format ``form``, empty: the one that the settings name.

    A repository without a tag means all its tags, an image asked for by its id bears no name in the archive.
    ``platform`` empty: whichever the images are for. Raises NotFound, also for an image of another platform, and
    what the format raises.
    """
    archive = formats.images(engine, form or engine.settings.image_format)
    chosen = _chosen(engine, texts)
    images = [_saved(engine, image, manifest, names, platform) for (image, manifest), names in chosen.items()]
    needed = list(dict.fromkeys(digest for saved in images for digest in _digests(saved)))
    with engine.store.journal.operation("save", lambda action: undo.undo(engine, action)) as operation:
        operation.lease(needed)  # should an image be removed meanwhile, its blobs go when they are written
        archive.save(images, engine.store.blobs.open, out)
    for (image, _), names in chosen.items():
        events.image(engine, "save", image)
        for name in map(str, names or ("",)):
            engine.plugins.image_saved(name, image)


def _chosen(engine: Engine, texts: Sequence[str]) -> dict[tuple[Digest, Digest], list[Reference]]:
    """Return the images meant, as the manifests they came as, each with the names to write."""
    chosen: dict[tuple[Digest, Digest], list[Reference]] = {}
    for text in texts:
        for name, image in _meant(engine, text):
            manifest = (engine.store.images.manifest_of(name) if name else None) or image.manifest
            names = chosen.setdefault((image.id, manifest), [])
            if name and name not in names:
                names.append(name)
    return chosen


def _meant(engine: Engine, text: str) -> Iterator[tuple[Reference | None, Image]]:
    try:
        reference = references.parse(text)
    except InvalidInput:
        yield None, engine.image(text)
        return
    if not (reference.tag or reference.digest):
        tagged = [
            (name, image)
            for image in engine.store.images.all()
            for name in map(references.parse, image.tags)
            if name.repository == reference.repository
        ]
        if tagged:
            yield from tagged
            return
    image = engine.image(text)
    named = reference.tag and engine.store.images.resolve(reference) == image.id and not reference.digest
    yield (reference if named else None), image


def _saved(engine: Engine, image: Digest, manifest: Digest, names: Sequence[Reference], platform: str) -> Saved:
    short = image.partition(":")[2][:12]
    document, config = engine.store.blobs.read(manifest), engine.store.blobs.read(image)
    if platform:
        described = decode(config, ImageConfig, f"the configuration of image {short}")
        platforms.check(described, platforms.wanted(platform), True, names[0].familiar if names else short)
    parsed = decode(document, Manifest, f"the manifest of image {short}")
    kind = parsed.media_type or types.OCI_MANIFEST
    return Saved(
        names=tuple(names),
        manifest=Fetched(Descriptor(kind, manifest, len(document)), document),
        config=Fetched(parsed.config, config),
    )


def _digests(saved: Saved) -> Iterator[Digest]:
    yield saved.manifest.descriptor.digest
    yield saved.config.descriptor.digest
    for layer in decode(saved.manifest.content, Manifest, "the manifest").layers:
        yield layer.digest
