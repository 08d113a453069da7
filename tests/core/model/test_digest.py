from __future__ import annotations

import hashlib

import pytest

from sampan.errors import InvalidInput
from sampan.model import digest as digests
from sampan.model.digest import Digest


def test_of_and_encoded() -> None:
    digest = digests.of(b"abc")
    assert digest == "sha256:" + hashlib.sha256(b"abc").hexdigest()
    assert digests.encoded(digest) == hashlib.sha256(b"abc").hexdigest()
    assert digests.parse(digest) == digest
    assert digests.parse("sha512:" + "0" * 128)


@pytest.mark.parametrize(
    "text",
    [
        "", "sha256", "sha256:", "sha256:" + "0" * 63, "sha256:" + "G" * 64, "sha256:" + "A" * 64, "md5:" + "0" * 32,
        "sha256:../../../../etc/passwd" + "0" * 37,
    ],
)
def test_what_is_no_digest(text: str) -> None:
    assert not digests.is_digest(text)
    with pytest.raises(InvalidInput):
        digests.parse(text)


def test_chain_ids_are_the_specifications() -> None:
    one, two, three = (digests.of(text) for text in (b"1", b"2", b"3"))
    assert digests.chain_id([one]) == one
    second = digests.of(f"{one} {two}".encode())
    assert digests.chain_id((one, two)) == second
    assert digests.chain_id((one, two, three)) == digests.of(f"{second} {three}".encode())


def test_hasher_is_of_the_digests_algorithm() -> None:
    assert digests.hasher(Digest("sha512:" + "0" * 128)).name == "sha512"
