"""Serve the images that were found in an archive: documents that were made for it, and what it holds itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from sampan.contracts.format import Archived, ImageArchive
from sampan.contracts.origin import Fetched
from sampan.errors import Corrupt, NotFound
from sampan.model import digest as digests
from sampan.model.descriptor import MANIFESTS, OCI_INDEX, OCI_MANIFEST, Descriptor
from sampan.model.digest import Digest
from sampan.model.image import decode
from sampan_plugins.formats.archives.files import Files

LARGEST_DOCUMENT = 4 << 20
_T = TypeVar("_T")


class Contents(ImageArchive):
    """What an archive holds. Blobs are where OCI's layout has them, unless ``members`` says otherwise."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.found: list[Archived] = []
        self.members: dict[Digest, str] = {}
        self._made: dict[str, Fetched] = {}

    def images(self) -> Sequence[Archived]:
        """Return what was found."""
        return self.found

    def make(self, media_type: str, content: bytes) -> Digest:
        """Add a document that the archive lacks; return its digest."""
        digest = digests.of(content)
        self._made[digest] = Fetched(Descriptor(media_type, digest, len(content)), content)
        return digest

    def manifest(self, version: str) -> Fetched:
        """Return a document by its digest."""
        if version in self._made:
            return self._made[version]
        if not digests.is_digest(version):
            raise NotFound(f"the archive has no image {version}")
        content = self.files.read(place(Digest(version)), LARGEST_DOCUMENT)
        return Fetched(Descriptor(_kind(content, version), Digest(version), len(content)), content)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """Open a blob. Raises NotFound, and Corrupt when it has another size."""
        if made := self._made.get(descriptor.digest):
            yield iter((made.content,))
            return
        name = self.members.get(descriptor.digest) or place(descriptor.digest)
        with self.files.part(name) as part:
            if part.size != descriptor.size:
                raise Corrupt(f"the archive's {name} has {part.size} bytes instead of {descriptor.size}")
            yield part.chunks()


def place(digest: Digest) -> str:
    """Return where OCI's layout has a blob (image-spec, image-layout.md)."""
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


def document(files: Files, name: str, kind: type[_T]) -> _T:
    """Read one of the archive's own documents. Raises NotFound, and Corrupt when it is too large or makes no sense."""
    return decode(files.read(name, LARGEST_DOCUMENT), kind, f"the archive's {name}")


class _Shape(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""
    layers: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _kind(content: bytes, version: str) -> str:
    shape = decode(content, _Shape, f"the archive's {version}")
    return shape.media_type or (OCI_INDEX if shape.layers is msgspec.UNSET else OCI_MANIFEST)


def is_manifest(fetched: Fetched) -> bool:
    """Tell whether a document is one platform's manifest."""
    return fetched.descriptor.media_type in MANIFESTS
