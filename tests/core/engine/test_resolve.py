from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from sampan.contracts.registry import Fetched, Registry
from sampan.engine.resolve import configuration, resolve
from sampan.errors import Corrupt, NotFound, SampanError, Unsupported
from sampan.model import platform as platforms
from sampan.model.descriptor import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from sampan.model.digest import of

AMD64 = platforms.parse("linux/amd64")
SOME = of(b"some")


class Documents(Registry):
    """A registry that has these documents, by tag or digest, with their types."""

    def __init__(self, **documents: tuple[str, bytes]) -> None:
        self._documents = documents | {of(content): (kind, content) for kind, content in documents.values()}

    def manifest(self, version: str) -> Fetched:
        if version not in self._documents:
            raise NotFound(version)
        kind, content = self._documents[version]
        return Fetched(Descriptor(kind, of(content), len(content)), content)

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        raise NotFound(descriptor.digest)

    def tags(self) -> Iterator[str]:
        return iter(())


def document(**members: object) -> bytes:
    return json.dumps({"schemaVersion": 2, **members}).encode()


def descriptor(digest: str = SOME, kind: str = OCI_CONFIG, size: int = 2, **more: object) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest, "size": size, **more}


def manifest(**members: object) -> bytes:
    return document(**{"config": descriptor(), "layers": [], **members})


@pytest.mark.parametrize("kind", [OCI_MANIFEST, DOCKER_MANIFEST, "application/json"])
def test_a_manifest(kind: str) -> None:
    resolved = resolve(Documents(t=(kind, manifest())), "t", AMD64, "x:t")
    assert resolved.digest == resolved.manifest_digest == of(manifest())
    assert resolved.documents == (manifest(),)


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST])
def test_an_index(kind: str) -> None:
    entry = descriptor(of(manifest()), OCI_MANIFEST, 1, platform={"os": "linux", "architecture": "amd64"})
    index = document(manifests=[entry], mediaType=kind)
    resolved = resolve(Documents(t=(kind, index), m=(OCI_MANIFEST, manifest())), "t", AMD64, "x:t")
    assert (resolved.digest, resolved.manifest_digest) == (of(index), of(manifest()))
    assert resolved.documents == (index, manifest())


def test_an_index_in_an_index() -> None:
    inner = document(manifests=[descriptor(of(manifest()), OCI_MANIFEST)])
    outer = document(manifests=[descriptor(of(inner), OCI_INDEX)])
    registry = Documents(t=(OCI_INDEX, outer), i=(OCI_INDEX, inner), m=(OCI_MANIFEST, manifest()))
    assert resolve(registry, "t", AMD64, "x:t").manifest_digest == of(manifest())


@pytest.mark.parametrize(
    ("kind", "content", "error", "message"),
    [
        (DOCKER_SCHEMA1_SIGNED, document(name="x"), Unsupported, "schema 1"),
        ("application/json", b'{"schemaVersion": 1, "name": "x"}', Unsupported, "schema 1"),
        (OCI_MANIFEST, manifest(config=descriptor(kind="application/vnd.cncf.helm.config.v1+json")), Unsupported,
         "x:t is not a container image but 'application/vnd.cncf.helm.config"),
        (OCI_MANIFEST, manifest(manifests=[]), Corrupt, "claims to be an index as well"),
        (OCI_MANIFEST, document(manifests=[]), Corrupt, "is not what its type"),
        (OCI_INDEX, manifest(), Corrupt, "is not what its type"),
        (OCI_MANIFEST, document(), Corrupt, "is not what its type"),
        (OCI_MANIFEST, b"<html>", Corrupt, "is not valid"),
        (OCI_MANIFEST, b"\xff", Corrupt, "is not valid"),
        (OCI_MANIFEST, manifest(config=descriptor("sha256:../../etc/passwd")), Corrupt, "invalid digest"),
        (OCI_MANIFEST, manifest(layers=[descriptor("md5:" + "0" * 32)]), Corrupt, "unsupported digest algorithm"),
        (OCI_MANIFEST, manifest(layers=[descriptor(size=-1)]), Corrupt, "negative size"),
        (OCI_MANIFEST, manifest(config=descriptor(size=1 << 40)), Corrupt, "has 1099511627776 bytes"),
        (OCI_INDEX, document(manifests=[]), NotFound, "no matching manifest for linux/amd64"),
        (OCI_INDEX, document(manifests=[descriptor("../x", OCI_MANIFEST)]), Corrupt, "unsupported digest"),
    ],
)
def test_what_is_not_right(kind: str, content: bytes, error: type[SampanError], message: str) -> None:
    with pytest.raises(error, match=message):
        resolve(Documents(t=(kind, content)), "t", AMD64, "x:t")


def test_a_document_other_than_its_digest_says() -> None:
    class Lying(Documents):
        def manifest(self, version: str) -> Fetched:
            return super().manifest("t")

    with pytest.raises(Corrupt, match=f"manifest verification failed for digest {SOME}"):
        resolve(Lying(t=(OCI_MANIFEST, manifest())), SOME, AMD64, "x")


def test_an_index_that_leads_in_circles() -> None:
    class Endless(Documents):
        depth = 0

        def manifest(self, version: str) -> Fetched:
            self.depth += 1
            # A document cannot hold its own digest, but a chain of them can be as long as its maker likes.
            contents = [document(manifests=[])]
            for _ in range(20 - self.depth):
                contents.append(document(manifests=[descriptor(of(contents[-1]), OCI_INDEX)]))
            return Fetched(Descriptor(OCI_INDEX, of(contents[-1]), 1), contents[-1])

    with pytest.raises(Corrupt, match="index of indexes"):
        resolve(Endless(), "t", AMD64, "x:t")


def test_a_configuration_must_fit_the_manifest() -> None:
    resolved = resolve(
        Documents(t=(OCI_MANIFEST, manifest(layers=[descriptor()]))), "t", AMD64, "x:t"
    ).manifest
    good = json.dumps({"rootfs": {"type": "layers", "diff_ids": [SOME]}}).encode()
    assert configuration(good, resolved, "x").rootfs.diff_ids == (SOME,)
    for diff_ids in ([], [SOME, SOME], ["../x"]):
        with pytest.raises(Corrupt):
            configuration(json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode(), resolved, "x")
