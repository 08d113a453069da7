"""Read a manifest's answer and tell what it is, whatever the registry says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sampan.contracts.registry import Fetched
from sampan.errors import Corrupt, Unsupported
from sampan.model import digest as digests
from sampan.model.descriptor import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1,
    Descriptor,
)
from sampan.model.digest import Digest
from sampan_plugins.registries.distribution.failures import translate

if TYPE_CHECKING:
    from requests import Response

# Schema 1 is named last, so that a registry that has nothing else sends it and it can be refused by its name.
ACCEPT = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, f"{DOCKER_SCHEMA1_SIGNED};q=0.1"))

_LIMIT = 4 << 20  # the distribution specification's: registries need not accept larger manifests
_PIECE = 64 << 10


class _Shape(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    manifests: Any = None
    layers: Any = None
    config: Any = None


def read(response: Response, version: str, what: str, host: str) -> Fetched:
    """Read and check a manifest's answer; ``what`` names it in messages.

    Raises Corrupt when it is too large, not a manifest, or not what its digest says, Unsupported for schema 1.
    """
    content = read_body(response, what, host)
    media_type = _media_type(response.headers.get("Content-Type", ""), content, what)
    digest = _digest(content, version, response.headers.get("Docker-Content-Digest", ""), what)
    return Fetched(Descriptor(media_type, digest, len(content)), content)


def read_body(response: Response, what: str, host: str) -> bytes:
    """Return an answer's body.

    Raises Corrupt when it is larger than a manifest may be, Interrupted when it ends early.
    """
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    content = bytearray()
    try:
        # Decoded: a cache on the way may compress whatever was asked, and digests are of what is inside.
        for piece in response.raw.stream(_PIECE, decode_content=True):
            content += piece
            if len(content) > _LIMIT:
                raise Corrupt(f"{what} is larger than {_LIMIT >> 20} MiB")
    except (RequestException, HTTPError, OSError, ValueError) as error:
        raise translate(error, host) from error
    finally:
        response.close()
    return bytes(content)


def _media_type(header: str, content: bytes, what: str) -> str:
    try:
        shape = msgspec.json.decode(content, type=_Shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{what} is not valid: {error}") from error
    told = header.partition(";")[0].strip().lower()
    if told in SCHEMA1 or shape.media_type in SCHEMA1 or shape.schema_version == 1:
        raise Unsupported(f"{what} is of the obsolete schema 1", "push the image again with a current tool")
    known = INDEXES | MANIFESTS
    media_type = told if told in known else shape.media_type or _guess(shape)
    if media_type not in known:
        raise Corrupt(f"{what} is neither an image nor an index: {shape.media_type or told or 'no type given'}")
    # One document must not be an image to one reader and an index to the next (CVE-2021-41190).
    is_index = media_type in INDEXES
    if (shape.media_type and shape.media_type != media_type) or (shape.layers if is_index else shape.manifests):
        raise Corrupt(f"{what} is ambiguous: sent as {media_type}, written as {shape.media_type or 'another'}")
    return media_type


def _guess(shape: _Shape) -> str:
    if shape.manifests is not None:
        return OCI_INDEX
    return OCI_MANIFEST if shape.config is not None else ""


def _digest(content: bytes, version: str, header: str, what: str) -> Digest:
    """Return the content's digest, in the algorithm asked for, checked against what was asked for and promised."""
    asked = digests.is_digest(version)
    for promised in (version if asked else "", header):
        if promised and digests.is_digest(promised):
            hasher = digests.hasher(Digest(promised))
            hasher.update(content)
            if digests.encoded(Digest(promised)) != hasher.hexdigest():
                raise Corrupt(f"{what} does not match its digest {promised}")
    return Digest(version) if asked else digests.of(content)
