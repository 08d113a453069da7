"""Read all that is on record at one moment, for whoever compares it with what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from sampan.model.container import Container
from sampan.model.digest import Digest
from sampan.model.image import Image
from sampan.store.layers import Layer
from sampan.store.store import Store

_K = TypeVar("_K")
_T = TypeVar("_T")


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one moment.

    ``blobs``, ``chains`` (lowest first) and ``manifests`` (its own, and those its names came as) are by image,
    ``layers`` by driver and chain. ``in_hand`` are the digests, chains, keys and ids that operations lease or note.
    """

    images: dict[Digest, Image]
    blobs: dict[Digest, tuple[Digest, ...]]
    chains: dict[Digest, tuple[Digest, ...]]
    manifests: dict[Digest, tuple[Digest, ...]]
    layers: dict[tuple[str, Digest], Layer]
    containers: dict[str, Container]
    in_hand: frozenset[str]

    def users(self, blob: Digest) -> list[Image]:
        """Return the images that need a blob."""
        return [self.images[image] for image, blobs in self.blobs.items() if blob in blobs]

    def images_on(self, chain: Digest) -> list[Image]:
        """Return the images that have a layer."""
        return [self.images[image] for image, chains in self.chains.items() if chain in chains]

    def needed(self) -> dict[Digest, Image]:
        """Return every blob that an image needs, and one image that does."""
        return {blob: self.images[image] for image, blobs in self.blobs.items() for blob in blobs}


def survey(store: Store) -> Survey:
    """Read it all in one transaction."""
    with store.database.transaction() as cursor:

        def by_image(query: str) -> dict[Digest, tuple[Digest, ...]]:
            found: dict[Digest, list[Digest]] = {image: [] for image in images}
            for image, digest in cursor.execute(query):
                if image in found:
                    found[image].append(digest)
            return {image: tuple(dict.fromkeys(digests)) for image, digests in found.items()}

        images = _by(store.images.all(), lambda image: image.id)
        own = {image.id: (image.manifest, image.id) for image in images.values()}
        recorded = by_image("SELECT image, digest FROM image_blobs ORDER BY image, digest")
        return Survey(
            images=images,
            blobs={image: tuple(dict.fromkeys((*own[image], *blobs))) for image, blobs in recorded.items()},
            chains=by_image("SELECT image, chain FROM image_layers ORDER BY image, position"),
            manifests=by_image(
                "SELECT id, manifest FROM images UNION SELECT image, manifest FROM tags WHERE manifest != ''"
            ),
            layers=_by(
                (Layer(*row) for row in cursor.execute("SELECT driver, chain, parent, diff_id, size FROM layers")),
                lambda layer: (layer.driver, layer.chain),
            ),
            containers=_by(store.containers.all(), lambda container: container.id),
            in_hand=frozenset(
                [row[0] for row in cursor.execute("SELECT digest FROM leases")] + store.journal.words()
            ),
        )


def _by(found: Iterable[_T], key: Callable[[_T], _K]) -> dict[_K, _T]:
    return {key(one): one for one in found}
