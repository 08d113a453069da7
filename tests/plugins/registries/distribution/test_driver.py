"""The whole client against a real registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import socket
from pathlib import Path

import pytest
from tests.services.faults import FaultProxy, fault_proxy
from tests.services.images import make_image, push_blob, push_document, push_image, push_index
from tests.services.opening import open_repository
from tests.services.registry import RegistryServer, running_registry
from tests.services.tokens import make_certificate

from sampan.contracts.registry import Pushes
from sampan.errors import Corrupt, Denied, InvalidInput, NotFound, Unavailable, Unsupported
from sampan.model import digest as digests
from sampan.model.descriptor import DOCKER_MANIFEST, OCI_INDEX, OCI_LAYER_ZSTD, OCI_MANIFEST, Descriptor
from sampan.model.image import Manifest, decode
from sampan.testing.registry import PushSubject, PushSuite, RegistrySuite, Subject


class TestConformance(RegistrySuite):
    @pytest.fixture
    def subject(self, registry: RegistryServer, small_image: str) -> Subject:
        push_image(small_image, registry, "conformance/image:1")
        return Subject(
            lambda: open_repository(f"{registry.address}/conformance/image"),
            "1",
            lambda: open_repository(f"{registry.address}/conformance/missing"),
        )


class TestPush(PushSuite):
    @pytest.fixture
    def subject(self, registry: RegistryServer) -> PushSubject:
        unique = f"conformance/{os.urandom(6).hex()}"
        return PushSubject(
            lambda word: open_repository(f"{registry.address}/{unique}/{word}"), lambda word: f"{unique}/{word}"
        )


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_both_forms(registry: RegistryServer, small_image: str, form: str, media_type: str) -> None:
    push_image(small_image, registry, f"forms/{form}:1", form=form)
    with open_repository(f"{registry.address}/forms/{form}") as opened:
        assert opened.manifest("1").descriptor.media_type == media_type


def test_zstd_layers(registry: RegistryServer, tmp_path: Path) -> None:
    # Content of its own: skopeo takes a layer it has pushed before over as it is.
    push_image(make_image(tmp_path, [{"zstd": b"z" * 9999}]), registry, "zstd:1", compression="zstd")
    with open_repository(f"{registry.address}/zstd") as opened:
        layers = decode(opened.manifest("1").content, Manifest, "manifest").layers
        assert {layer.media_type for layer in layers} == {OCI_LAYER_ZSTD}
        with opened.blob(layers[0]) as chunks:
            content = b"".join(chunks)
    assert content.startswith(b"\x28\xb5\x2f\xfd")
    assert digests.of(content) == layers[0].digest


def test_index(registry: RegistryServer, small_image: str) -> None:
    push_image(small_image, registry, "index:one")
    with open_repository(f"{registry.address}/index") as opened:
        one = opened.manifest("one").descriptor
        entry = {"mediaType": one.media_type, "digest": one.digest, "size": one.size,
                 "platform": {"os": "linux", "architecture": "amd64"}}
        content = push_index(registry, "index", "all", [entry])
        found = opened.manifest("all")
    assert found.content == content
    assert found.descriptor.media_type == OCI_INDEX


def test_tags_in_pages(registry: RegistryServer, small_image: str) -> None:
    push_image(small_image, registry, "pages:t000")
    with open_repository(f"{registry.address}/pages") as opened:
        found = opened.manifest("t000")
        for number in range(1, 12):
            opened.put_manifest(f"t{number:03}", found.content, found.descriptor.media_type)
        assert sorted(opened.tags()) == [f"t{number:03}" for number in range(12)]


def test_tags_follow_links(proxy: FaultProxy) -> None:
    for number, link in enumerate(['</v2/x/tags/list?n=1&last=a>; rel="next"', None]):
        headers = {"Link": link} if link else {}
        proxy.fault("GET /v2/x/tags", status=200, headers=headers, body=json.dumps({"tags": ["ab"[number]]}).encode())
    with open_repository(f"{proxy.address}/x") as opened:
        assert list(opened.tags()) == ["a", "b"]


@pytest.mark.parametrize(("link", "words"), [
    ('<http://127.0.0.2:1/v2/x/tags/list>; rel="next"', "another host"),
    ('<?n=1000>; rel="next"', "circle"),
])
def test_tags_links_that_lead_astray(proxy: FaultProxy, link: str, words: str) -> None:
    proxy.fault("GET /v2/x/tags", times=5, status=200, headers={"Link": link}, body=b'{"tags": ["a"]}')
    with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Corrupt, match=words):
        list(opened.tags())


def test_messages_of_what_is_missing(registry: RegistryServer) -> None:
    with open_repository(f"{registry.address}/no/such") as opened:
        with pytest.raises(NotFound) as tag:
            opened.manifest("1")
        with pytest.raises(NotFound, match="name unknown"):
            list(opened.tags())
    assert str(tag.value) == f"manifest for {registry.address}/no/such:1 not found: manifest unknown"


def test_schema1_is_refused(proxy: FaultProxy) -> None:
    body = b'{"schemaVersion": 1, "name": "x", "fsLayers": []}'
    proxy.fault("manifests", status=200, headers={"Content-Type": "application/json"}, body=body)
    with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Unsupported, match="schema 1"):
        opened.manifest("old")


@pytest.mark.parametrize(("headers", "body", "words"), [
    ({"Content-Type": "text/html"}, b"<html>welcome</html>", "not valid"),
    ({"Content-Type": OCI_MANIFEST}, b'{"mediaType": "%s", "manifests": []}' % OCI_INDEX.encode(), "ambiguous"),
    ({"Content-Type": OCI_MANIFEST}, b'{"config": {}, "layers": [], "manifests": [1]}', "ambiguous"),
    ({"Content-Type": "application/json"}, b'{"hello": 1}', "neither"),
    ({"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": "sha256:" + "0" * 64}, b'{"layers": []}', "digest"),
    ({"Content-Type": OCI_MANIFEST}, b" " * ((4 << 20) + 1), "larger than 4 MiB"),
    ({"Content-Type": OCI_MANIFEST, "Content-Encoding": "gzip"}, gzip.compress(b" " * (9 << 20)), "larger than 4 MiB"),
    ({"Content-Type": OCI_MANIFEST, "Content-Encoding": "gzip"}, b"not gzip", "decoded"),
])
def test_manifests_that_make_no_sense(proxy: FaultProxy, headers: dict[str, str], body: bytes, words: str) -> None:
    proxy.fault("manifests", status=200, headers=headers, body=body)
    with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Corrupt, match=words):
        opened.manifest("1")


def test_manifest_must_match_the_digest_asked_for(proxy: FaultProxy) -> None:
    proxy.fault("manifests", status=200, headers={"Content-Type": OCI_MANIFEST}, body=b'{"layers": []}')
    with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Corrupt, match="does not match"):
        opened.manifest(digests.of(b"another"))


def test_mirror_first(registry: RegistryServer, small_image: str) -> None:
    push_image(small_image, registry, "mirrored:1")
    with fault_proxy(registry.address) as mirror, fault_proxy() as home:
        with open_repository(f"{home.address}/mirrored", mirrors=(f"http://{mirror.address}",)) as opened:
            config = decode(opened.manifest("1").content, Manifest, "manifest").config
            with opened.blob(config) as chunks:
                assert digests.of(b"".join(chunks)) == config.digest
        assert mirror.seen("GET")
        assert not home.requests


@pytest.mark.parametrize("status", [401, 404, 500])
def test_host_stands_in_for_its_mirror(
    proxy: FaultProxy, registry: RegistryServer, small_image: str, status: int
) -> None:
    push_image(small_image, registry, "standin:1")
    with fault_proxy() as mirror:
        mirror.fault("GET", times=99, status=status)
        mirrors = ("http://127.0.0.1:1", f"http://{mirror.address}")
        with open_repository(f"{proxy.address}/standin", mirrors=mirrors) as opened:
            config = decode(opened.manifest("1").content, Manifest, "manifest").config
            with opened.blob(config) as chunks:
                assert digests.of(b"".join(chunks)) == config.digest


def test_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with open_repository(f"{address}/x") as opened, pytest.raises(Unavailable) as caught:
            opened.manifest("1")
    assert str(caught.value) == f"cannot reach {address}: connection refused"


def test_no_such_host() -> None:
    with open_repository("no-such-host.invalid/x") as opened, pytest.raises(Unavailable) as caught:
        opened.manifest("1")
    assert str(caught.value) == "cannot reach no-such-host.invalid: no such host"


def test_tls(tmp_path: Path, small_image: str) -> None:
    # 0.0.0.0 reaches this machine and is no loopback address, so that nothing is forgiven.
    certificate = make_certificate(tmp_path, "IP:0.0.0.0")
    with running_registry(tmp_path / "registry", certificate=certificate) as server:
        push_image(small_image, server, "x:1")
        repository = f"0.0.0.0:{server.port}/x"
        with open_repository(repository) as opened, pytest.raises(Unavailable, match="not trusted") as caught:
            opened.manifest("1")
        assert f'[registries."0.0.0.0:{server.port}"] insecure = true' in (caught.value.hint or "")
        with open_repository(repository, ca_file=str(certificate[1])) as opened:
            opened.manifest("1")
        with open_repository(repository, ca_file="/no.pem") as opened, pytest.raises(InvalidInput, match=r"no\.pem"):
            opened.manifest("1")
        with open_repository(repository, insecure=True) as opened:
            opened.manifest("1")
        with open_repository(f"localhost:{server.port}/x") as opened:
            opened.manifest("1")


def test_plain_http_beyond_loopback_must_be_allowed(registry: RegistryServer, small_image: str) -> None:
    push_image(small_image, registry, "plain:1")
    repository = f"0.0.0.0:{registry.port}/plain"
    with open_repository(repository) as opened, pytest.raises(Unavailable, match="speaks plain HTTP") as caught:
        opened.manifest("1")
    assert "insecure = true" in (caught.value.hint or "")
    with open_repository(repository, insecure=True) as opened:
        opened.manifest("1")


def test_foreign_layer(registry: RegistryServer) -> None:
    content = b"somewhere else" * 1000
    with fault_proxy() as elsewhere:
        elsewhere.fault("GET /layer", status=200, body=content)
        descriptor = Descriptor("application/octet-stream", digests.of(content), len(content),
                                (f"http://{elsewhere.address}/layer",))
        with open_repository(f"{registry.address}/foreign") as opened, opened.blob(descriptor) as chunks:
            assert b"".join(chunks) == content
        with open_repository(f"0.0.0.0:{registry.port}/foreign") as opened:
            assert not opened._acceptable(descriptor.urls[0])


def test_empty_blob(registry: RegistryServer) -> None:
    digest = digests.parse(push_blob(registry, "empty", b""))
    nothing = Descriptor("application/octet-stream", digest, 0)
    with open_repository(f"{registry.address}/empty") as opened, opened.blob(nothing) as chunks:
        assert list(chunks) == []


def test_push_and_pull_back(registry: RegistryServer, small_image: str) -> None:
    layer = hashlib.sha256(b"push").digest() * 100_000
    descriptor = Descriptor("application/octet-stream", digests.of(layer), len(layer))
    with open_repository(f"{registry.address}/push/a") as one, open_repository(f"{registry.address}/push/b") as two:
        assert isinstance(one, Pushes)
        assert not one.has_blob(descriptor.digest)
        one.put_blob(descriptor, io.BytesIO(layer))
        assert one.has_blob(descriptor.digest)
        assert not two.mount_blob(digests.of(b"nobody has it"), "push/a")
        assert two.mount_blob(descriptor.digest, "push/a")
        with two.blob(descriptor) as chunks:
            assert b"".join(chunks) == layer
        entry = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
        content = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entry, "layers": []}).encode()
        two.put_manifest("1", content, OCI_MANIFEST)
        assert two.manifest("1").content == content


def test_push_starts_again_when_broken_off(proxy: FaultProxy) -> None:
    layer = b"again" * 100_000
    descriptor = Descriptor("application/octet-stream", digests.of(layer), len(layer))
    proxy.fault("PUT /v2/again/blobs", reset=True)
    with open_repository(f"{proxy.address}/again") as opened:
        opened.put_blob(descriptor, io.BytesIO(layer))
        assert opened.has_blob(descriptor.digest)
    assert len(proxy.seen("PUT")) == 2


def test_refused_push(proxy: FaultProxy) -> None:
    proxy.fault("POST", status=403, body=b'{"errors": [{"code": "DENIED", "message": "requested access is denied"}]}')
    with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Denied, match="requested access is denied"):
        opened.put_blob(Descriptor("a/b", digests.of(b"x"), 1), io.BytesIO(b"x"))


def test_document_of_artifact_config(registry: RegistryServer) -> None:
    config = push_blob(registry, "guess", b"{}")
    entry = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}
    content = json.dumps({"schemaVersion": 2, "config": entry, "layers": []}).encode()
    push_document(registry, "guess", "1", content, OCI_MANIFEST)
    with open_repository(f"{registry.address}/guess") as opened:
        assert opened.manifest("1").descriptor.media_type == OCI_MANIFEST


def test_malformed_mirror() -> None:
    with pytest.raises(InvalidInput, match="invalid registry mirror"):
        open_repository("docker.io/library/x", mirrors=("ftp://mirror",))
