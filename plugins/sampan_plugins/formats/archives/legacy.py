"""Read what ``docker save`` wrote before 1.10: a directory for each layer, and names (moby, image/spec/v1.md).

Such an image has no configuration of its own. One is made as Docker's engine makes it to this day, byte for byte, from
the document of its top layer, with the history that those of all its layers tell: the id is the same there and here.
Its layers' own ids, and the images that Docker finds in each of them, are of no more use and are not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from sampan.contracts.format import Archived
from sampan.errors import Corrupt
from sampan.layers import compression
from sampan.model.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from sampan_plugins.formats.archives import docker
from sampan_plugins.formats.archives.contents import LARGEST_DOCUMENT, Contents, document
from sampan_plugins.formats.archives.files import Files
from sampan_plugins.formats.archives.v1 import Document

_DROPPED = ("id", "parent", "Size", "parent_id", "layer_id", "throwaway")
_TRUSTED = (1, 8, 3)  # documents of older Dockers are reduced to what is known


def present(files: Files) -> bool:
    """Tell whether the files are those of an old Docker."""
    return files.has(docker.REPOSITORIES) and not files.has(docker.LIST)


def read(files: Files) -> Contents:
    """Return the images that have a name. Raises NotFound, and Corrupt for what makes no sense."""
    contents = Contents(files)
    names: dict[str, list[str]] = {}
    for repository, tags in document(files, docker.REPOSITORIES, dict[str, dict[str, str]]).items():
        for tag, top in tags.items():
            names.setdefault(top, []).append(f"{repository}:{tag}")
    contents.found = [Archived(tuple(found), _image(contents, top)) for top, found in names.items()]
    return contents


def _image(contents: Contents, top: str) -> str:
    """Make the configuration and the manifest of the image with this top layer; return the manifest's digest."""
    line = list(_line(contents.files, top))[::-1]
    layers = [_layer(contents, f"{name}/layer.tar") for name, _ in line]
    content = contents.files.read(f"{top}/json", LARGEST_DOCUMENT)
    config = _configuration(content, [document for _, document in line], layers)
    return contents.make(OCI_MANIFEST, msgspec.json.encode({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor(OCI_CONFIG, contents.make(OCI_CONFIG, config), len(config)),
        "layers": layers,
    }))


def _line(files: Files, top: str) -> Iterator[tuple[str, Document]]:
    """Yield the layers of an image with their names, from the top down."""
    seen: set[str] = set()
    while top:
        if top in seen:
            raise Corrupt(f"the archive's layer {top!r} stands on itself")
        seen.add(top)
        layer = document(files, f"{top}/json", Document)
        yield top, layer
        top = layer.parent


def _layer(contents: Contents, name: str) -> Descriptor:
    with contents.files.part(name) as part:
        if compression.detect(part.head(docker.MAGIC)):
            raise Corrupt(f"the archive's {name} is compressed, as docker save never did")
        digest = part.digest()
        contents.members[digest] = name
        return Descriptor(OCI_LAYER, digest, part.size)


def _configuration(content: bytes, line: Sequence[Document], layers: Sequence[Descriptor]) -> bytes:
    """Return the document of the top layer as a configuration, by Go's rules: members sorted, no HTML."""
    if _version(line[-1].docker_version) < _TRUSTED:
        content = msgspec.json.encode(line[-1], order="deterministic")
    members = msgspec.json.decode(msgspec.json.format(content, indent=-1), type=dict[str, msgspec.Raw])
    made = {
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [_step(document) for document in line],
    }
    members.update((name, msgspec.Raw(msgspec.json.encode(value))) for name, value in made.items())
    whole = msgspec.json.encode({name: members[name] for name in sorted(members) if name not in _DROPPED})
    for character in "&<>\u2028\u2029":
        whole = whole.replace(character.encode(), b"\\u%04x" % ord(character))
    return whole


def _step(document: Document) -> dict[str, str]:
    command = document.container_config.cmd if document.container_config else ()
    step = {"author": document.author, "created_by": " ".join(command or ()), "comment": document.comment}
    return {"created": document.created, **{name: text for name, text in step.items() if text}}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))
