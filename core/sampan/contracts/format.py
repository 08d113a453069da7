"""Read and write snapshot formats: a container's root file system, or whole images, as one file.

The story
---------
``export`` mounts a container's tree and hands the directory to ``RootfsFormat.write``. ``import`` shows the first bytes
of its input to each root file system format's ``recognizes`` until one says yes, and reads an uncompressed layer tar
from the stream that ``read`` returns; nothing is believed about its content.

``save`` hands the images, with their documents and a way to open their blobs, to ``ImageFormat.save``. ``load`` shows
its input to each image format's ``holds``: a directory, or a file that can be read anywhere (what came through a pipe
or was compressed has been laid out as one, without a name: the path is then ``/proc/self/fd/N``). The first that says
yes opens it, and the engine fetches from the archive as it would from a registry: what it lacks, checked while it
streams. Names, digests, history and configuration survive, since documents and blobs are passed on as they are.

A plugin of the slot returns one or the other; an object may be both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import msgspec

from sampan.contracts.origin import Fetched, Origin
from sampan.model.digest import Digest
from sampan.model.reference import Reference


class Format(ABC):  # noqa: B024  # what the two kinds have in common is their slot
    """A snapshot format of either kind."""


class RootfsFormat(Format):
    """A file format for one directory tree."""

    @abstractmethod
    def recognizes(self, head: bytes) -> bool:
        """Tell whether a file beginning with these bytes (up to 1024, fewer in a shorter file) is in this format."""

    @abstractmethod
    def write(self, rootfs: str, out: BinaryIO) -> None:
        """Write the tree below ``rootfs`` to ``out``: owners, modes, times, links, devices and xattrs as they are."""

    @abstractmethod
    def read(self, source: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Open the file as an uncompressed layer tar. Raises Corrupt when it breaks off or makes no sense."""


class Saved(msgspec.Struct, frozen=True):
    """An image to be written: its names here, maybe none, and its documents as they are stored."""

    names: tuple[Reference, ...]
    manifest: Fetched
    config: Fetched


class Archived(msgspec.Struct, frozen=True):
    """An image in an archive: the names it bears there, maybe none, and what to ask the archive for to have it.

    ``names`` are as the archive has them, and not believed. ``version`` is the digest of a manifest or index.
    """

    names: tuple[str, ...]
    version: str


class ImageArchive(Origin):
    """An open archive. All raise NotFound for what it should hold and does not, and Corrupt for what makes no sense."""

    @abstractmethod
    def images(self) -> Sequence[Archived]:
        """Return what images there are, in the archive's order."""


OpenBlob = Callable[[Digest], BinaryIO]
"""Open a stored blob as a regular file; the caller closes it."""


class ImageFormat(Format):
    """A file format, or directory layout, for whole images."""

    @abstractmethod
    def holds(self, path: str) -> bool:
        """Tell by its content whether the regular file or directory at ``path`` is in this format."""

    @abstractmethod
    def open(self, path: str) -> AbstractContextManager[ImageArchive]:
        """Open an archive. Raises Corrupt when it makes no sense."""

    @abstractmethod
    def save(self, images: Sequence[Saved], blobs: OpenBlob, out: BinaryIO) -> None:
        """Write the images to ``out``, which may be a pipe; a blob that several have in common once.

        The same images give the same bytes. Raises OutOfSpace, and Unsupported for what the format cannot express.
        """
