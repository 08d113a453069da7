"""Read an OCI image layout (image-spec, image-layout.md), whether in an archive or a directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sampan.contracts.format import Archived
from sampan.errors import Unsupported
from sampan.model.descriptor import INDEXES, MANIFESTS, OCI_INDEX, Descriptor
from sampan.model.image import Index
from sampan_plugins.formats.archives.contents import Contents, document
from sampan_plugins.formats.archives.files import Files

MARK = "oci-layout"
INDEX = "index.json"
VERSION = "1.0.0"
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"


class Mark(msgspec.Struct, frozen=True, rename="camel"):
    """The file that marks a layout."""

    image_layout_version: str


def present(files: Files) -> bool:
    """Tell whether the files are a layout."""
    return files.has(MARK) and files.has(INDEX)


def read(files: Files) -> Contents:
    """Return the images of a layout. Raises NotFound, Corrupt, and Unsupported for a version yet to come."""
    version = document(files, MARK, Mark).image_layout_version
    if not version.startswith("1."):
        raise Unsupported(f"the OCI image layout has the version {version!r}", "1.0.0 is supported")
    contents = Contents(files)
    names: dict[str, list[str]] = {}
    for name, descriptor in _entries(contents, document(files, INDEX, Index).manifests):
        found = names.setdefault(descriptor, [])
        if name:
            found.append(name)
    contents.found = [Archived(tuple(found), version) for version, found in names.items()]
    return contents


def _entries(contents: Contents, descriptors: Iterable[Descriptor]) -> Iterator[tuple[str, str]]:
    """Yield the name, maybe empty, and digest of each image, those of one name for several platforms as one index."""
    groups: dict[str, dict[str, Descriptor]] = {}
    for descriptor in descriptors:
        if descriptor.media_type in INDEXES | MANIFESTS:
            groups.setdefault(_name(descriptor), {}).setdefault(descriptor.digest, descriptor)
    for name, group in groups.items():
        platforms = {str(descriptor.platform) for descriptor in group.values() if descriptor.platform}
        if 1 < len(group) == len(platforms):
            yield name, contents.make(OCI_INDEX, _index(group.values()))
        else:
            for digest in group:
                yield name, digest


def _name(descriptor: Descriptor) -> str:
    """Return the name of an image: containerd's, or OCI's where that is more than a tag."""
    name = descriptor.annotations.get(IMAGE_NAME, "")
    reference = descriptor.annotations.get(REF_NAME, "")
    return name or (reference if ":" in reference or "/" in reference else "")


def _index(descriptors: Iterable[Descriptor]) -> bytes:
    entries = [msgspec.structs.replace(descriptor, annotations={}) for descriptor in descriptors]
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
