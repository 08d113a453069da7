"""Write images as a tar of an OCI image layout, with what Docker needs besides where that is wanted."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec

from sampan.contracts.format import OpenBlob, Saved
from sampan.errors import Corrupt, OutOfSpace
from sampan.model.descriptor import OCI_INDEX, Descriptor
from sampan.model.digest import Digest
from sampan.model.image import Manifest, decode
from sampan_plugins.formats.archives import docker, layout
from sampan_plugins.formats.archives.contents import place


def write(images: Sequence[Saved], blobs: OpenBlob, out: BinaryIO, *, for_docker: bool) -> None:
    """Write an archive: its documents first, then every blob once."""
    try:
        _Writing(images, for_docker).write(blobs, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace("no space left to write the archive") from error
        raise
    except EOFError as error:
        raise Corrupt(f"a blob in the store is too short: {error}") from error


class _Writing:
    def __init__(self, images: Sequence[Saved], for_docker: bool) -> None:
        self._images = images
        self._docker = for_docker
        self._layers = [decode(image.manifest.content, Manifest, "a stored manifest").layers for image in images]

    def write(self, blobs: OpenBlob, out: BinaryIO) -> None:
        from sampan.layers.writer import MemberWriter

        writer = MemberWriter(out)
        for name, document in self._documents():
            writer.file(name, msgspec.json.encode(document))
        contents = {
            fetched.descriptor.digest: fetched.content
            for image in self._images
            for fetched in (image.manifest, image.config)
        }
        layers = {layer.digest: layer for layers in self._layers for layer in layers}
        directory = ""
        for digest in sorted({*contents, *layers}):
            name = place(digest)
            if name.rpartition("/")[0] != directory:
                if not directory:
                    writer.directory("blobs")
                directory = name.rpartition("/")[0]
                writer.directory(directory)
            if digest in contents:
                writer.file(name, contents[digest])
            else:
                with blobs(digest) as file:
                    writer.copy(name, file, layers[digest].size)
        writer.finish()

    def _documents(self) -> Iterator[tuple[str, Any]]:
        yield layout.MARK, {"imageLayoutVersion": layout.VERSION}
        entries = [entry for image in self._images for entry in self._entries(image)]
        yield layout.INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        if self._docker:
            yield docker.LIST, [self._item(*one) for one in zip(self._images, self._layers, strict=True)]
            if repositories := self._repositories():
                yield docker.REPOSITORIES, repositories

    def _entries(self, image: Saved) -> Iterator[Descriptor]:
        """Yield an image's descriptors, one for each of its names.

        As Docker does, OCI's name is the tag in its archives, besides containerd's. Elsewhere it is whole, and alone:
        tools that change images pass annotations on that they do not know.
        """
        for name in image.names:
            annotations = {layout.REF_NAME: str(name)}
            if self._docker:
                annotations = {layout.IMAGE_NAME: str(name), layout.REF_NAME: name.version}
            yield msgspec.structs.replace(image.manifest.descriptor, annotations=annotations)
        if not image.names:
            yield image.manifest.descriptor

    def _item(self, image: Saved, layers: Sequence[Descriptor]) -> dict[str, Any]:
        return {
            "Config": place(image.config.descriptor.digest),
            "RepoTags": [name.familiar for name in image.names] or None,
            "Layers": [place(layer.digest) for layer in layers],
        }

    def _repositories(self) -> dict[str, dict[str, str]]:
        """Return what programs of before manifest.json read: the top layer of each name."""
        found: dict[str, dict[str, str]] = {}
        for image, layers in zip(self._images, self._layers, strict=True):
            for name in image.names if layers else ():
                found.setdefault(name.familiar_repository, {})[name.version] = _value(layers[-1].digest)
        return found


def _value(digest: Digest) -> str:
    return digest.partition(":")[2]
