"""Check that every image's record says what its manifest and configuration say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from sampan.engine.check.blobs import fault
from sampan.engine.check.finding import Suspicion, bring_again, shown
from sampan.engine.resolve import configuration
from sampan.engine.unpacking import Step, steps
from sampan.errors import Corrupt, InvalidInput, NotFound
from sampan.model.digest import Digest
from sampan.model.image import ImageConfig, Index, Manifest, decode
from sampan.store.survey import Survey, survey

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.image import Image


class Described(msgspec.Struct, frozen=True):
    """What an image's documents say it is made of; ``steps`` are its layers, lowest first."""

    config: ImageConfig
    blobs: tuple[Digest, ...]
    steps: tuple[Step, ...]

    @property
    def chains(self) -> tuple[Digest, ...]:
        """Return the chain of every layer, lowest first."""
        return tuple(step.chain for step in self.steps)


def look(engine: Engine) -> Iterator[Suspicion]:
    """Compare. Images with a damaged document are passed over: that is said of the blob."""
    known = survey(engine.store)
    for image in known.images.values():
        documents = (*known.manifests[image.id], image.id)
        if any(fault(engine.store.blobs, document, None) for document in documents):
            continue
        try:
            for manifest in known.manifests[image.id]:
                described(engine, image, manifest)
            _check_indexes(engine, known, image)
        except (Corrupt, InvalidInput) as error:
            yield Suspicion(kind="image", name=shown(image), problem=error.message, remedy=bring_again([image]))
            continue
        yield from _differences(engine, known, image)


def described(engine: Engine, image: Image, manifest: Digest | None = None) -> Described:
    """Read an image's documents, as one of its manifests has it; none given: its own.

    Raises Corrupt when they contradict each other and NotFound when one is missing.
    """
    blobs, name = engine.store.blobs, shown(image)
    manifest = manifest or image.manifest
    document = decode(blobs.read(manifest), Manifest, f"the manifest of {name}")
    if document.config.digest != image.id:
        raise Corrupt(f"manifest {manifest} is of another image, {document.config.digest}")
    config = configuration(blobs.read(image.id), document, name)
    parts = (manifest, image.id, *(layer.digest for layer in document.layers))
    return Described(config, parts, tuple(steps(config.rootfs.diff_ids, document.layers)))


def layers(engine: Engine, known: Survey) -> dict[Digest, Step]:
    """Return every layer that a readable image tells of, by chain."""
    found: dict[Digest, Step] = {}
    for image in known.images.values():
        try:
            found |= {step.chain: step for step in described(engine, image).steps}
        except (Corrupt, NotFound):
            continue
    return found


def _check_indexes(engine: Engine, known: Survey, image: Image) -> None:
    """Read what its repository digests name, where that is an index; raise Corrupt when it is none."""
    for name in image.digests:
        digest = Digest(name.rpartition("@")[2])
        is_index = digest in known.blobs[image.id] and digest not in known.manifests[image.id]
        if is_index and not fault(engine.store.blobs, digest, None):
            decode(engine.store.blobs.read(digest), Index, f"the index {digest} of {shown(image)}")


def _differences(engine: Engine, known: Survey, image: Image) -> Iterator[Suspicion]:
    own = described(engine, image)
    differing = []
    if not set(own.blobs) <= set(known.blobs[image.id]):
        differing.append("blobs")
    if own.chains != known.chains[image.id]:
        differing.append("layers")
    size = _size(known, own.chains)
    if size is not None and size != image.size:
        differing.append("size")
    if differing:
        yield Suspicion(
            kind="image", name=shown(image),
            problem=f"its record has other {' and '.join(differing)} than its documents",
            mend=partial(_restate, engine, image),
        )


def _size(known: Survey, chains: tuple[Digest, ...]) -> int | None:
    """Return what the layers come to, if they are unpacked."""
    sizes = {chain: layer.size for (_, chain), layer in known.layers.items()}
    return sum(sizes[chain] for chain in chains) if all(chain in sizes for chain in chains) else None


def _restate(engine: Engine, image: Image) -> None:
    own = described(engine, image)
    size = _size(survey(engine.store), own.chains)
    with engine.store.database.transaction() as cursor:
        if engine.store.images.known(image.id):
            engine.store.images.restate(
                cursor, image.id, own.blobs, own.chains, image.size if size is None else size
            )
