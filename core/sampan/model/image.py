"""Read and write image documents: manifest, index and configuration (OCI image-spec; Docker schema 2).

An image's identity is the sha256 of its configuration's bytes as they came, so documents are decoded
for reading only and never re-encoded on the way through.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sampan.errors import Corrupt
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.platform import Platform


class Manifest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One platform's image: its configuration and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The manifests of one image for several platforms."""

    manifests: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""
    annotations: dict[str, str] = {}


class HealthCheck(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """How to tell whether a container is well. Durations are in nanoseconds."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Defaults(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What a container of the image runs with unless told otherwise (the ``config`` member)."""

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    stop_signal: str | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    healthcheck: HealthCheck | None = None


class RootFS(msgspec.Struct, frozen=True):
    """The digests of the uncompressed layers, lowest first."""

    type: str = "layers"
    diff_ids: tuple[Digest, ...] = ()


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one layer, or one change of metadata alone (``empty_layer``), came to be."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image's configuration."""

    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    created: str | None = None
    author: str | None = None
    config: Defaults | None = None
    rootfs: RootFS = RootFS()
    history: tuple[History, ...] | None = None

    @property
    def defaults(self) -> Defaults:
        """The run-time defaults, empty when the document has none."""
        return self.config or Defaults()

    @property
    def platform(self) -> Platform:
        """The platform the image is for."""
        return Platform(architecture=self.architecture, os=self.os, variant=self.variant)


_T = TypeVar("_T")


def decode(content: bytes, kind: type[_T], what: str) -> _T:
    """Decode a JSON document as ``kind``. Raises Corrupt, naming ``what``, when it is not one."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{what} is not valid: {error}") from error


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the store. ``id`` is the digest of its configuration; ``size`` the bytes its layers unpack to.

    ``created`` is the configuration's word, ``stored`` when it came here, both in seconds since the epoch.
    ``parent`` is the image it was committed from, where that is known here.
    """

    id: Digest
    manifest: Digest
    created: float
    size: int
    stored: float
    parent: Digest | None = None
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def short_id(self) -> str:
        """The first twelve hexadecimal digits, as ``images`` shows them."""
        return self.id.partition(":")[2][:12]
