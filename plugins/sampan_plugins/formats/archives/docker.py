"""Read what ``docker save`` wrote in any of its generations (moby, image/spec/v1.2.md and image/tarexport).

Since 1.10 a manifest.json lists the images; since 25.0 an OCI layout is there as well, whose manifests then serve as
they are. Where there are none they are made: of what the configuration says, so that the same archive gives the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sampan.contracts.format import Archived
from sampan.errors import Corrupt, InvalidInput, NotFound
from sampan.layers import compression
from sampan.model import digest as digests
from sampan.model import reference as references
from sampan.model.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from sampan.model.digest import Digest
from sampan.model.image import ImageConfig, Index, Manifest, decode
from sampan_plugins.formats.archives import layout
from sampan_plugins.formats.archives.contents import Contents, document, is_manifest, place
from sampan_plugins.formats.archives.files import Files

LIST = "manifest.json"
REPOSITORIES = "repositories"
_LARGEST_CONFIG = 32 << 20
MAGIC = 6


class Item(msgspec.Struct, frozen=True, rename="pascal"):
    """One image in manifest.json."""

    config: str
    repo_tags: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None


def present(files: Files) -> bool:
    """Tell whether the files are Docker's."""
    return files.has(LIST)


def read(files: Files) -> Contents:
    """Return the images of an archive: those that manifest.json lists, then what else its layout has."""
    contents = layout.read(files) if layout.present(files) else Contents(files)
    others = dict.fromkeys(contents.found)
    found = []
    for item in document(files, LIST, tuple[Item, ...]):
        config = _Config(files, item)
        entry = config.entry(contents, others)
        others.pop(entry, None) if entry else None
        version = entry.version if entry else contents.make(OCI_MANIFEST, config.manifest(contents))
        found.append(Archived(item.repo_tags or (), version))
    contents.found = [*found, *others]
    return contents


class _Config:
    """The configuration of one image of the list."""

    def __init__(self, files: Files, item: Item) -> None:
        self._files = files
        self._item = item
        self._content = files.read(item.config, _LARGEST_CONFIG)
        self._layers = item.layers or ()
        self._digest = digests.of(self._content)

    def entry(self, contents: Contents, entries: dict[Archived, None]) -> Archived | None:
        """Return which entry of the layout is this image: one with a name of its, if several are."""
        fitting = [entry for entry in entries if self._is_in(contents, entry.version)]
        names = _parsed(self._item.repo_tags or ())
        return next((entry for entry in fitting if names & _parsed(entry.names)), fitting[0] if fitting else None)

    def _is_in(self, contents: Contents, version: str) -> bool:
        return any(
            manifest.config.digest == self._digest and len(manifest.layers) == len(self._layers)
            for manifest in _manifests(contents, version)
        )

    def manifest(self, contents: Contents) -> bytes:
        """Make a manifest. Raises Corrupt when there are more or fewer layers than the configuration says."""
        diff_ids = decode(self._content, ImageConfig, f"the archive's {self._item.config}").rootfs.diff_ids
        if len(diff_ids) != len(self._layers):
            raise Corrupt(
                f"invalid manifest, layers length mismatch: expected {len(self._layers)}, got {len(diff_ids)}"
            )
        contents.members[self._digest] = self._item.config
        return msgspec.json.encode({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, self._digest, len(self._content)),
            "layers": [_layer(contents, *layer) for layer in zip(self._layers, diff_ids, strict=True)],
        })


def _layer(contents: Contents, name: str, diff_id: Digest) -> Descriptor:
    with contents.files.part(name) as part:
        packed = compression.detect(part.head(MAGIC))
        digest = _digest_in(name)
        if digest is None and packed is None:
            digest = diff_id  # which is the digest of what is not compressed, and is checked as one
        if digest is None:
            digest = part.digest()
        contents.members[digest] = name
        return Descriptor(OCI_LAYER + (f"+{packed}" if packed else ""), digest, part.size)


def _digest_in(name: str) -> Digest | None:
    """Return the digest that a name in OCI's layout says."""
    algorithm, _, value = name.removeprefix("blobs/").partition("/")
    digest = f"{algorithm}:{value}"
    return Digest(digest) if digests.is_digest(digest) and place(Digest(digest)) == name else None


def _manifests(contents: Contents, version: str) -> Iterator[Manifest]:
    """Yield the manifest that a version is, or those in the index that it is."""
    try:
        fetched = contents.manifest(version)
        if is_manifest(fetched):
            yield decode(fetched.content, Manifest, version)
            return
        for entry in decode(fetched.content, Index, version).manifests:
            try:
                inner = contents.manifest(entry.digest)
                if is_manifest(inner):
                    yield decode(inner.content, Manifest, version)
            except NotFound:
                continue  # of a platform that was left out
    except (NotFound, Corrupt):
        return  # the list is what counts


def _parsed(names: tuple[str, ...]) -> set[references.Reference]:
    found = set()
    for name in names:
        try:
            found.add(references.parse(name).with_default_tag())
        except InvalidInput:
            continue
    return found
