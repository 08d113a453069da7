"""Measure what images and containers take of the disk.

An image is here twice, unpacked by the storage driver and as it came, so that it can be pushed and saved as the same
bytes; both are counted. A layer that several images share is counted once in totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sampan import naive
from sampan.errors import NotFound, SampanError
from sampan.model.container import Container
from sampan.model.digest import Digest
from sampan.model.disk_usage import ContainerSize, ContainerUsage, DiskUsage, ImageUsage
from sampan.model.image import Image

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def disk_usage(engine: Engine) -> DiskUsage:
    """Return what everything takes; images that are intermediate are told of by those that stand on them."""
    measure = _Measure(engine)
    containers = engine.containers(all=True)
    images = measure.images(engine.images(), containers)
    return DiskUsage(images, measure.total(), [
        ContainerUsage(container, container_size(engine, container).own) for container in containers
    ])


def of_images(engine: Engine, images: Iterable[Image]) -> list[ImageUsage]:
    """Return what these images take."""
    return _Measure(engine).images(images, engine.containers(all=True))


def container_size(engine: Engine, container: Container) -> ContainerSize:
    """Return what a container has written, and its whole root file system, in bytes of file content."""
    try:
        driver = engine.storage(container.storage_driver)
    except SampanError as error:
        engine.plugins.warn(f"the size of container {container.name} is not known: {error}")
        return ContainerSize(0, 0)
    try:
        own, parent = naive.usage(driver, container.id).size, driver.stat(container.id).parent
    except NotFound:
        return ContainerSize(0, 0)  # it is just being made, or removed
    below = engine.store.layers.below(container.storage_driver, Digest(parent)) if parent else 0
    return ContainerSize(own, own + below)


class _Measure:
    """The sizes of all that images are made of, and by how many each is used."""

    def __init__(self, engine: Engine) -> None:
        blobs = engine.store.blobs
        self._engine = engine
        self._contents = engine.store.images.contents()
        self._layers = engine.store.layers.totals()
        # Apart, for a layer that came uncompressed may bear the same digest as a blob and as a chain.
        self._blob_users = Counter(blob for found, _ in self._contents.values() for blob in found)
        self._chain_users = Counter(chain for _, found in self._contents.values() for chain in found)
        self._blobs = {blob: blobs.size(blob) for blob in self._blob_users if blobs.has(blob)}

    def total(self) -> int:
        """Return what all images take together."""
        return sum(self._blobs.values()) + sum(self._layers.get(chain, 0) for chain in self._chain_users)

    def images(self, images: Iterable[Image], containers: Iterable[Container]) -> list[ImageUsage]:
        """Return what each takes."""
        used = Counter(container.image_id for container in containers)
        return [self._image(image, used[image.id]) for image in images]

    def _image(self, image: Image, containers: int) -> ImageUsage:
        blobs, chains = self._contents.get(image.id, ([], []))
        platform = self._engine.store.configuration(image).platform
        content = {blob: self._blobs.get(blob, 0) for blob in blobs}
        unpacked = {chain: self._layers.get(chain, 0) for chain in chains}
        shared = sum(size for blob, size in content.items() if self._blob_users[blob] > 1)
        shared += sum(size for chain, size in unpacked.items() if self._chain_users[chain] > 1)
        return ImageUsage(image, platform, sum(unpacked.values()), sum(content.values()), shared, containers)
