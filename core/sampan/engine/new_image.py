"""Put an image that is made here on record: its documents first, then, in one transaction, all that tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.errors import InvalidInput
from sampan.model import descriptor as types
from sampan.model import reference as references
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.model.image import Image
from sampan.model.reference import Reference

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation


class NewImage(msgspec.Struct, frozen=True):
    """What an image is made of. ``layers`` and ``chains`` lowest first; ``size`` of all layers, in bytes of content."""

    config: Mapping[str, Any]
    layers: Sequence[Descriptor]
    chains: Sequence[Digest]
    size: int
    created: float
    parent: Digest | None = None


def name(text: str, refusal: str) -> Reference | None:
    """Return what a new image shall be called; None where it gets no name.

    Raises InvalidInput, with the message ``refusal``, for a digest, which nobody can choose.
    """
    if not text:
        return None
    reference = references.parse(text).with_default_tag()
    if reference.digest:
        raise InvalidInput(refusal)
    return reference


def record(engine: Engine, operation: Operation, new: NewImage, reference: Reference | None) -> Image:
    """Write the image's documents, put it on record under a name, and end the operation with that."""
    config = msgspec.json.encode(new.config)
    manifest = msgspec.json.encode({
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "config": Descriptor(types.OCI_CONFIG, digest_of(config), len(config)),
        "layers": [_of_oci(layer) for layer in new.layers],
    })
    image = Image(
        id=digest_of(config), manifest=digest_of(manifest), created=new.created, size=new.size, stored=new.created,
        parent=new.parent,
    )
    documents = (image.id, image.manifest)
    operation.plan("blobs", *documents)
    operation.lease(documents)
    for document in (config, manifest):
        engine.store.blobs.put(document)
    engine.store.blobs.settle()
    images = engine.store.images
    with engine.store.database.transaction() as cursor:
        images.add(cursor, image, [*documents, *(layer.digest for layer in new.layers)], new.chains)
        if reference is not None:
            images.tag(cursor, reference, image.id)
        operation.finish(cursor)
    return images.get(image.id)


def _of_oci(layer: Descriptor) -> Descriptor:
    """Return a layer as an OCI manifest tells of it, also when it came with one of Docker's."""
    media_type = _OCI_NAMES.get(layer.media_type, layer.media_type)
    return msgspec.structs.replace(layer, media_type=media_type)


_OCI_NAMES = {types.DOCKER_LAYER: types.OCI_LAYER, types.DOCKER_LAYER_GZIP: types.OCI_LAYER_GZIP}
