"""Parse and compute content digests (OCI image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

from typing import TYPE_CHECKING, NewType

from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from hashlib import _Hash

Digest = NewType("Digest", str)
"""``algorithm:hex``, validated: safe to use as a path component after ``:`` is split off."""

_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = frozenset("0123456789abcdef")


def parse(text: str) -> Digest:
    """Return ``text`` as a digest. Raises InvalidInput unless it is a well-formed sha256 or sha512 digest."""
    algorithm, _, value = text.partition(":")
    length = _LENGTHS.get(algorithm)
    if length is None:
        raise InvalidInput(f"unsupported digest algorithm in {text!r}", "sha256 and sha512 are supported")
    if len(value) != length or not _HEX.issuperset(value):
        raise InvalidInput(f"invalid digest {text!r}")
    return Digest(text)


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is a well-formed digest."""
    try:
        parse(text)
    except InvalidInput:
        return False
    return True


def encoded(digest: Digest) -> str:
    """Return the hexadecimal part."""
    return digest.partition(":")[2]


def of(content: bytes) -> Digest:
    """Return the sha256 digest of ``content``."""
    import hashlib  # loads OpenSSL: 2 ms that a start need not pay

    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def hasher(digest: Digest) -> _Hash:
    """Return a fresh hash object of the digest's algorithm."""
    import hashlib

    return hashlib.new(digest.partition(":")[0])


def chain_id(diff_ids: list[Digest] | tuple[Digest, ...]) -> Digest:
    """Return the ChainID of a stack of layers, lowest first (OCI image-spec, config.md, "Layer ChainID")."""
    chain = diff_ids[0]
    for diff_id in diff_ids[1:]:
        chain = of(f"{chain} {diff_id}".encode())
    return chain
