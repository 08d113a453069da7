"""Find out what a reference is at its origin: index, manifest and configuration, checked before they are believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import platforms
from sampan.errors import Corrupt, InvalidInput, Unsupported
from sampan.model import descriptor as types
from sampan.model import digest as digests
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.image import ImageConfig, Index, Manifest, decode

if TYPE_CHECKING:
    from sampan.contracts.origin import Fetched, Origin
    from sampan.model.platform import Platform

_CONFIGS = frozenset((types.OCI_CONFIG, types.DOCKER_CONFIG, "application/octet-stream", ""))
_DEEPEST_INDEX = 4
_LARGEST_CONFIG = 32 << 20


class Resolved(msgspec.Struct, frozen=True):
    """What a reference is. ``digest`` is what its tag names: an index, or a manifest.

    ``documents`` are the index, if any, and the manifest, as they came.
    """

    digest: Digest
    manifest_digest: Digest
    manifest: Manifest
    documents: tuple[bytes, ...]


def resolve(origin: Origin, version: str, wanted: Platform, name: str) -> Resolved:
    """Follow a tag or digest to the manifest for a platform; ``name`` is what messages call the image.

    Raises NotFound (no such image, or none for the platform), Unsupported (Docker's schema 1; not an image) and
    Corrupt, besides what the origin raises.
    """
    fetched = origin.manifest(version)
    digest = digests.of(fetched.content)
    if digests.is_digest(version):
        digest = Digest(version)
        _check_digest(fetched.content, digest)
    found, documents = digest, [fetched.content]
    for _ in range(_DEEPEST_INDEX):
        document = _read(fetched, name)
        if isinstance(document, Manifest):
            _check_manifest(document, name)
            return Resolved(digest, found, document, tuple(documents))
        chosen = platforms.choose(document, wanted)
        found = _checked_digest(chosen.digest, name)
        fetched = origin.manifest(found)
        _check_digest(fetched.content, found)
        documents.append(fetched.content)
    raise Corrupt(f"{name} is an index of indexes of indexes")


def configuration(content: bytes, manifest: Manifest, name: str) -> ImageConfig:
    """Read an image's configuration. Raises Corrupt unless it fits the manifest."""
    config = decode(content, ImageConfig, f"the configuration of {name}")
    for diff_id in config.rootfs.diff_ids:
        _checked_digest(diff_id, name)
    if config.rootfs.type != "layers" or len(config.rootfs.diff_ids) != len(manifest.layers):
        raise Corrupt(
            f"invalid rootfs in image configuration of {name}: {len(config.rootfs.diff_ids)} "
            f"layers described, {len(manifest.layers)} in the manifest"
        )
    return config


def _read(fetched: Fetched, name: str) -> Index | Manifest:
    kind, content = fetched.descriptor.media_type, fetched.content
    members = decode(content, _Members, f"the manifest of {name}")
    kind = members.media_type or kind
    if kind in types.SCHEMA1 or members.schema_version == 1:
        raise Unsupported(
            f"{name} has a manifest of Docker's schema 1, which is not supported", "push it again with a current tool"
        )
    # A document that could be read either way is a trap (CVE-2021-41190).
    if members.manifests is not msgspec.UNSET and members.layers is not msgspec.UNSET:
        raise Corrupt(f"the manifest of {name} claims to be an index as well")
    if members.manifests is not msgspec.UNSET and (kind in types.INDEXES or kind not in types.MANIFESTS):
        return decode(content, Index, f"the manifest list of {name}")
    if members.layers is not msgspec.UNSET and (kind in types.MANIFESTS or kind not in types.INDEXES):
        return decode(content, Manifest, f"the manifest of {name}")
    raise Corrupt(f"the manifest of {name} is not what its type {kind!r} says")


class _Members(msgspec.Struct, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    manifests: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    layers: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _check_manifest(manifest: Manifest, name: str) -> None:
    if manifest.config.media_type not in _CONFIGS:
        raise Unsupported(f"{name} is not a container image but {manifest.config.media_type!r}")
    if manifest.config.size > _LARGEST_CONFIG:
        raise Corrupt(f"the configuration of {name} has {manifest.config.size} bytes")
    for descriptor in _parts(manifest):
        _checked_digest(descriptor.digest, name)
        if descriptor.size < 0:
            raise Corrupt(f"the manifest of {name} gives {descriptor.digest} a negative size")


def _parts(manifest: Manifest) -> Iterable[Descriptor]:
    return (manifest.config, *manifest.layers)


def _checked_digest(text: str, name: str) -> Digest:
    # They become names of files.
    try:
        return digests.parse(text)
    except InvalidInput as error:
        raise Corrupt(f"the manifest of {name} holds an {error.message}") from error


def _check_digest(content: bytes, digest: Digest) -> None:
    hasher = digests.hasher(digest)
    hasher.update(content)
    if hasher.hexdigest() != digests.encoded(digest):
        raise Corrupt(f"manifest verification failed for digest {digest}")


