"""Push images to a registry: the very bytes they came as, and of these only what the registry lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.contracts.registry import Pushes
from sampan.engine import events, platforms, undo
from sampan.engine.progress import Event, Report
from sampan.errors import InvalidInput, NotFound, Unsupported
from sampan.model import descriptor as types
from sampan.model import reference as references
from sampan.model.digest import Digest
from sampan.model.image import ImageConfig, Manifest, decode
from sampan.model.reference import Reference

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


class Pushed(msgspec.Struct, frozen=True):
    """What the registry has now: an image's manifest, of ``size`` bytes, by a tag."""

    reference: Reference
    digest: Digest
    size: int


def push(engine: Engine, text: str, *, platform: str, report: Report) -> Pushed:
    """Push the image that a name stands for.

    A platform given must be the image's. Manifest and blobs go as they came here, so that digests stay what they are;
    of an index it is the manifest that was pulled. Raises NotFound (no such image here), Denied, Unavailable, and
    Unsupported for a registry client that cannot push.
    """
    reference = _pushable(text).with_default_tag()
    report(_heading(reference))
    if reference.tag not in _tags(engine, reference):
        raise NotFound(f"tag does not exist: {reference.familiar}")
    with _opened(engine, reference) as registry:
        return _push(engine, registry, reference, platform, report)


def push_all(engine: Engine, text: str, *, platform: str, report: Report) -> Iterator[Pushed]:
    """Push what each tag of a repository here stands for, and yield it, up to the first that fails.

    Raises what ``push`` raises, and InvalidInput for a reference that has a tag already.
    """
    reference = _pushable(text)
    if reference.tag:
        raise InvalidInput("tag can't be used with --all-tags/-a")
    report(_heading(reference))
    names = [msgspec.structs.replace(reference, tag=tag) for tag in _tags(engine, reference)]
    with _opened(engine, reference) as registry:
        for name in names:
            yield _push(engine, registry, name, platform, report)


def _pushable(text: str) -> Reference:
    reference = references.parse(text)
    if reference.digest:
        raise InvalidInput("cannot push a digest reference")
    return reference


def _heading(reference: Reference) -> Event:
    return Event("", f"The push refers to repository [{reference.repository}]")


def _tags(engine: Engine, reference: Reference) -> list[str]:
    tags = engine.store.images.tags(reference.repository)
    if not tags:
        raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_repository}")
    return tags


@contextmanager
def _opened(engine: Engine, reference: Reference) -> Iterator[Pushes]:
    with engine.registry(reference.repository) as registry:
        if not isinstance(registry, Pushes):
            raise Unsupported(f"the registry client {engine.registry_name(reference.domain)} cannot push")
        yield registry


def _push(engine: Engine, registry: Pushes, reference: Reference, platform: str, report: Report) -> Pushed:
    images, blobs = engine.store.images, engine.store.blobs
    with engine.store.journal.operation("push", lambda action: undo.undo(engine, action)) as operation:
        image, digest = images.resolve(reference), images.manifest_of(reference)
        if image is None or digest is None:
            raise NotFound(f"tag does not exist: {reference.familiar}")  # removed meanwhile
        content = blobs.read(digest)
        manifest = decode(content, Manifest, f"the manifest of {reference.familiar}")
        operation.lease([manifest.config.digest, *(layer.digest for layer in manifest.layers), digest])
        config = decode(blobs.read(manifest.config.digest), ImageConfig, f"the configuration of {reference.familiar}")
        if platform:
            platforms.check(config, platforms.wanted(platform), asked=True, name=reference.familiar)
        from sampan.engine.upload import Uploads

        Uploads(engine.store, registry, reference, report).send(manifest, config)
        registry.put_manifest(reference.version, content, manifest.media_type or types.OCI_MANIFEST)
        with engine.store.database.transaction() as cursor:
            images.note_digest(cursor, reference.repository, digest, image)
            operation.finish(cursor)
    events.image(engine, "push", reference.familiar, reference.familiar)
    engine.plugins.image_pushed(str(reference), image)
    return Pushed(reference, digest, len(content))
