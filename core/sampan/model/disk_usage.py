"""Say what images and containers take of the disk."""

from __future__ import annotations

import msgspec

from sampan.model.container import Container
from sampan.model.image import Image
from sampan.model.platform import Platform


class ContainerSize(msgspec.Struct, frozen=True):
    """Bytes of file content: what a container itself has written, and with the image below it."""

    own: int
    whole: int


class ImageUsage(msgspec.Struct, frozen=True):
    """What an image takes of the disk, in bytes: unpacked, and its content as it came.

    ``shared`` is what of both other images use too; ``containers`` how many are made of it.
    """

    image: Image
    platform: Platform
    unpacked: int
    content: int
    shared: int
    containers: int

    @property
    def size(self) -> int:
        """Both together."""
        return self.unpacked + self.content


class ContainerUsage(msgspec.Struct, frozen=True):
    """What a container takes of the disk, in bytes."""

    container: Container
    size: int


class DiskUsage(msgspec.Struct, frozen=True):
    """What everything takes of the disk; ``image_bytes`` is of all images together, what they share counted once."""

    images: list[ImageUsage]
    image_bytes: int
    containers: list[ContainerUsage]
