"""Pull an image from a registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import events, platforms, undo
from sampan.engine.progress import Event, Report
from sampan.errors import InvalidInput
from sampan.model import reference as references
from sampan.model.digest import Digest
from sampan.model.image import Image
from sampan.model.reference import Reference

if TYPE_CHECKING:
    from sampan.contracts.registry import Registry
    from sampan.engine.arrival import Arrival, Arrived
    from sampan.engine.engine import Engine
    from sampan.engine.resolve import Resolved
    from sampan.store.journal import Operation


class Pulled(msgspec.Struct, frozen=True):
    """What a pull came to. ``digest`` is what the reference names at the registry, an index's where there is one.

    ``fresh`` tells whether the reference named another image here before, or none.
    """

    image: Image
    reference: Reference
    digest: Digest
    fresh: bool


def pull(engine: Engine, text: str, *, platform: str, report: Report) -> Pulled:
    """Pull what a reference names, for a platform (empty: this machine's).

    Of two that pull the same at once, each layer is downloaded and unpacked by one. On any failure, and when
    interrupted, nothing new stays. Raises NotFound, Denied, Unavailable, Unsupported, Corrupt and OutOfSpace.
    """
    reference = references.parse(text).with_default_tag()
    if reference.digest:
        reference = msgspec.structs.replace(reference, tag=None)  # the digest alone says what it is
    with engine.registry(reference.repository) as registry:
        return _pull(engine, registry, reference, platform, report)


def pull_all(engine: Engine, text: str, *, platform: str, report: Report) -> Iterator[Pulled]:
    """Pull what each tag of a repository stands for, and yield it, up to the first that fails.

    Raises what ``pull`` raises, and InvalidInput for a reference that has a tag or digest already.
    """
    reference = references.parse(text)
    if reference.tag or reference.digest:
        raise InvalidInput("tag can't be used with --all-tags/-a")
    with engine.registry(reference.repository) as registry:
        for tag in registry.tags():
            yield _pull(engine, registry, msgspec.structs.replace(reference, tag=tag), platform, report)


def _pull(engine: Engine, registry: Registry, reference: Reference, platform: str, report: Report) -> Pulled:
    from sampan.engine.arrival import Arrival
    from sampan.engine.resolve import resolve

    wanted = platforms.wanted(platform)
    resolved = resolve(registry, reference.version, wanted, reference.familiar)
    report(Event(_label(reference), f"Pulling from {_shown(reference)}"))
    with engine.store.journal.operation("pull", lambda action: undo.undo(engine, action)) as operation:
        arrival = Arrival(engine, registry, reference.familiar, operation, report)
        arrived = arrival.bring(resolved, wanted, asked=bool(platform))
        pulled = _record(engine, arrival, arrived, reference, resolved, operation)
    events.image(engine, "pull", reference.familiar, reference.familiar)
    engine.plugins.image_pulled(str(reference), pulled.image.id)
    return pulled


def _label(reference: Reference) -> str:
    return reference.familiar if reference.digest else reference.version


def _shown(reference: Reference) -> str:
    """Return the repository as Docker names it here: without its registry."""
    return reference.path


def _record(
    engine: Engine, arrival: Arrival, arrived: Arrived, reference: Reference, resolved: Resolved, operation: Operation
) -> Pulled:
    images, image = engine.store.images, arrived.image
    before = images.resolve(reference)
    with engine.store.database.transaction() as cursor:
        arrival.record(cursor, arrived)
        if reference.tag:
            images.tag(cursor, reference, image.id, resolved.manifest_digest)
        images.note_digest(cursor, reference.repository, resolved.digest, image.id)
        operation.finish(cursor)
    return Pulled(images.get(image.id), reference, resolved.digest, before != image.id)
