from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.engine.test_pull import push_platforms
from tests.core.engine.workbench import OCI_CONFIG, OCI_MANIFEST, archive, content, engine_at, push, sha256
from tests.services.faults import FaultProxy, fault_proxy
from tests.services.images import push_blob, push_document, push_image
from tests.services.registry import RegistryServer, running_registry

from sampan.contracts.registry import Registry
from sampan.engine.engine import Engine
from sampan.engine.progress import Event
from sampan.errors import Denied, InvalidInput, NotFound, SampanError, Unsupported
from sampan.model import reference as references
from sampan.model.descriptor import DOCKER_MANIFEST

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A second registry, which has nothing of the first."""
    with running_registry(tmp_path_factory.mktemp("other")) as server:
        yield server


@pytest.fixture
def way(other: RegistryServer) -> Iterator[FaultProxy]:
    """A way to the second registry on which things can be seen, and broken."""
    with fault_proxy(other.address) as running:
        yield running


def pulled(engine: Engine, registry: RegistryServer, repository: str, layers: int = 2) -> str:
    """Put an image of so many layers into a registry, and pull it."""
    made = [archive({f"file{number}": os.urandom(3000)}) for number in range(layers)]
    push(registry, f"{repository}:1", made)
    engine.pull(f"{registry.address}/{repository}:1")
    return f"{registry.address}/{repository}:1"


def raw(reference: str) -> bytes:
    """Return a manifest as the registry has it, whoever asks."""
    name = references.parse(reference)
    address = f"http://{name.domain}/v2/{name.path}/manifests/{name.version}"
    request = urllib.request.Request(address, headers={"Accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: bytes = answer.read()
        return found


def outcomes(events: list[Event]) -> list[str]:
    last = {event.id: event.action for event in events if event.id}
    return list(last.values())


@pytest.mark.parametrize(("form", "compression"), [("oci", "zstd"), ("v2s2", "gzip")])
def test_what_was_pulled_is_pushed_byte_for_byte(
    tmp_path: Path, registry: RegistryServer, other: RegistryServer, small_image: str, form: str, compression: str
) -> None:
    source = push_image(small_image, registry, f"push/bytes-{form}:1", form=form, compression=compression)
    target = f"{other.address}/push/bytes-{form}:2"
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        digest = engine.pull(source).digest
        engine.tag(source, target)
        pushed = engine.push(target, report=events.append)
        assert (pushed.reference.familiar, pushed.digest, pushed.size) == (target, digest, len(raw(source)))
        assert f"{other.address}/push/bytes-{form}@{digest}" in engine.image(source).digests
        found = content(engine)
        assert found["journal"] == found["leases"] == found["locks"] == []
    assert raw(target) == raw(source)
    assert events[0] == Event("", f"The push refers to repository [{other.address}/push/bytes-{form}]")
    assert [event.action for event in events if not event.total][1:3] == ["Preparing"] * 2
    assert outcomes(events) == ["Pushed"] * 2
    # Every blob can be had from there, whole.
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{target}", f"dir:{tmp_path}/copy"],
                   check=True, capture_output=True)


def test_layers_are_called_by_what_they_unpack_to_and_come_uppermost_first(
    tmp_path: Path, registry: RegistryServer, other: RegistryServer
) -> None:
    made = [archive({"lower": b"1"}), archive({"upper": b"2"})]
    push(registry, "push/order:1", made)
    source, target = f"{registry.address}/push/order:1", f"{other.address}/push/order:1"
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        engine.pull(source)
        engine.tag(source, target)
        engine.push(target, report=events.append)
    assert [event.id for event in events[1:3]] == [sha256(layer)[7:19] for layer in reversed(made)]


def test_nothing_is_sent_twice(tmp_path: Path, registry: RegistryServer, way: FaultProxy) -> None:
    target = f"{way.address}/push/twice:1"
    with engine_at(tmp_path) as engine:
        engine.tag(pulled(engine, registry, "push/twice"), target)
        engine.push(target)
        assert len(way.seen("PUT .*/blobs/")) == 3  # two layers and the configuration
        way.requests.clear()
        events: list[Event] = []
        engine.push(target, report=events.append)
    assert outcomes(events) == ["Layer already exists"] * 2
    assert not way.seen("(POST|PATCH|PUT) .*/blobs/")


def test_what_another_repository_has_is_taken_over(tmp_path: Path, registry: RegistryServer) -> None:
    with fault_proxy(registry.address) as proxy, engine_at(tmp_path) as engine:
        pulled(engine, registry, "push/source")
        source, target = f"{proxy.address}/push/source:1", f"{proxy.address}/push/mounted:1"
        engine.pull(source)
        engine.tag(source, target)
        events: list[Event] = []
        engine.push(target, report=events.append)
        assert outcomes(events) == ["Mounted from push/source"] * 2
        assert not proxy.seen("PUT .*/blobs/")
        assert raw(target) == raw(source)
        assert engine.pull(target).digest == engine.pull(source).digest


def test_a_repository_that_has_it_no_more(tmp_path: Path, registry: RegistryServer) -> None:
    with fault_proxy(registry.address) as proxy, engine_at(tmp_path) as engine:
        source, target = pulled(engine, registry, "push/stale"), f"{proxy.address}/push/fresh:1"
        engine.tag(source, target)
        image = engine.image(source).id
        with engine.store.database.transaction() as cursor:
            engine.store.images.note_digest(cursor, f"{proxy.address}/push/nowhere", sha256(b"x"), image)
            engine.store.images.note_digest(cursor, f"{proxy.address}/push/secret", sha256(b"x"), image)
        proxy.fault("POST .*from=push%2Fsecret", times=9, status=403)
        events: list[Event] = []
        engine.push(target, report=events.append)
    assert outcomes(events) == ["Pushed"] * 2
    assert len(proxy.seen("DELETE .*/uploads/")) == 3  # what was opened in vain was closed again


def test_of_an_index_the_manifest_that_was_pulled(
    tmp_path: Path, registry: RegistryServer, other: RegistryServer
) -> None:
    index = push_platforms(registry, "push/index")
    source, target = f"{registry.address}/push/index:1", f"{other.address}/push/index:1"
    with engine_at(tmp_path) as engine:
        engine.pull(source)
        engine.tag(source, target)
        pushed = engine.push(target, platform="linux/amd64")
        assert pushed.digest == json.loads(index)["manifests"][0]["digest"] != sha256(index)
        with pytest.raises(NotFound, match="wanted linux/arm64, actual: linux/amd64"):
            engine.push(target, platform="linux/arm64")
    assert raw(target) == raw(f"{source}@{pushed.digest}".replace(":1@", "@"))


def test_each_tag_is_pushed_as_it_came(tmp_path: Path, registry: RegistryServer, other: RegistryServer) -> None:
    layer = archive({"same": b"content"})
    config = json.dumps({"architecture": "amd64", "os": "linux",
                         "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}}).encode()
    made = {}
    for level in (1, 9):  # one image, compressed in two ways
        packed = gzip.compress(layer, level, mtime=level)
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {
            "mediaType": OCI_CONFIG, "digest": push_blob(registry, "push/ways", config), "size": len(config),
        }, "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                       "digest": push_blob(registry, "push/ways", packed), "size": len(packed)}]}
        tag = f"level{level}"
        made[tag] = push_document(registry, "push/ways", tag, json.dumps(document).encode(), OCI_MANIFEST)
    with engine_at(tmp_path) as engine:
        for one in engine.pull_all(f"{registry.address}/push/ways"):
            tag = one.reference.tag or ""
            engine.tag(f"{registry.address}/push/ways:{tag}", f"{other.address}/push/ways:{tag}")
        pushed = list(engine.push_all(f"{other.address}/push/ways"))
    assert {one.reference.tag: one.digest for one in pushed} == made


def test_more_layers_than_are_sent_at_once(tmp_path: Path, registry: RegistryServer, other: RegistryServer) -> None:
    target = f"{other.address}/push/many:1"
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        engine.tag(pulled(engine, registry, "push/many", 12), target)
        engine.push(target, report=events.append)
    assert [event.action for event in events].count("Waiting") == 7
    assert outcomes(events) == ["Pushed"] * 12


def test_a_layer_that_is_got_elsewhere(tmp_path: Path, registry: RegistryServer, way: FaultProxy) -> None:
    layer = archive({"elsewhere": b"1"})
    digest = push_blob(registry, "push/elsewhere", layer)
    config = json.dumps({"architecture": "amd64", "os": "linux",
                         "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}}).encode()
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {
        "mediaType": OCI_CONFIG, "digest": push_blob(registry, "push/foreign", config), "size": len(config),
    }, "layers": [{
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "digest": digest, "size": len(layer),
        "urls": [f"http://{registry.address}/v2/push/elsewhere/blobs/{digest}"],
    }]}
    push_document(registry, "push/foreign", "1", json.dumps(document).encode(), OCI_MANIFEST)
    source, target = f"{registry.address}/push/foreign:1", f"{way.address}/push/foreign:1"
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        engine.pull(source)
        engine.tag(source, target)
        engine.push(target, report=events.append)
    assert outcomes(events) == ["Skipped foreign layer"]
    assert not way.seen(digest)


def test_what_cannot_be_pushed(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        pulled(engine, registry, "push/wrong")
        repository = f"{registry.address}/push/wrong"
        for call, kind, message in (
            (lambda: engine.push("nosuch:1"), NotFound, "^An image does not exist locally with the tag: nosuch$"),
            (lambda: list(engine.push_all("nosuch")), NotFound, "does not exist locally with the tag: nosuch$"),
            (lambda: engine.push(repository), NotFound, f"^tag does not exist: {repository}:latest$"),
            (lambda: list(engine.push_all(f"{repository}:1")), InvalidInput, "^tag can't be used with --all-tags/-a$"),
            (lambda: engine.push(f"{repository}@{sha256(b'')}"), InvalidInput, "^cannot push a digest reference$"),
        ):
            with pytest.raises(kind, match=message):
                call()


def test_a_registry_client_that_cannot_push(
    tmp_path: Path, registry: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reader(Registry):
        manifest = blob = tags = None  # type: ignore[assignment]  # nobody asks

    with engine_at(tmp_path) as engine:
        reference = pulled(engine, registry, "push/reader")
        monkeypatch.setattr(engine.plugins, "open_registry", lambda *_: Reader())
        with pytest.raises(Unsupported, match="the registry client distribution cannot push"):
            engine.push(reference)


def test_one_that_is_refused_changes_nothing(tmp_path: Path, registry: RegistryServer, way: FaultProxy) -> None:
    target = f"{way.address}/push/refused:1"
    way.fault("PUT .*/manifests/", status=403,
              body=b'{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}')
    with engine_at(tmp_path) as engine:
        engine.tag(pulled(engine, registry, "push/refused"), target)
        before = content(engine)
        with pytest.raises(Denied, match=r"^denied: requested access to the resource is denied"):
            engine.push(target)
        assert content(engine) == before


@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 503}])
def test_an_upload_that_breaks_off_begins_again(
    tmp_path: Path, registry: RegistryServer, way: FaultProxy, fault: dict[str, object]
) -> None:
    target = f"{way.address}/push/broken-{'-'.join(fault)}:1"
    way.fault("PUT .*/blobs/uploads/", times=2, **fault)
    options = {"options": {"registries/distribution": {"backoff": 0.01}}}
    with engine_at(tmp_path, **options) as engine:
        engine.tag(pulled(engine, registry, f"push/broken-{'-'.join(fault)}"), target)
        engine.push(target)
    assert len(way.seen("PUT .*/blobs/uploads/")) == 5


def test_one_failure_ends_all_of_it(tmp_path: Path, registry: RegistryServer, way: FaultProxy) -> None:
    target = f"{way.address}/push/fails:1"
    with engine_at(tmp_path, options={"registries/distribution": {"backoff": 0.01}}) as engine:
        engine.tag(pulled(engine, registry, "push/fails", 9), target)
        way.fault("POST .*/uploads/", times=99, status=500)
        with pytest.raises(SampanError, match="answers 500"):
            engine.push(target)
        assert not way.seen("PUT")
        found = content(engine)
        assert found["journal"] == found["leases"] == []


_KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.core.engine.workbench import engine_at

def report(event):
    if event.action == "Pushed":
        os.kill(os.getpid(), signal.SIGKILL)

with engine_at(Path({root!r})) as engine:
    engine.push({target!r}, report=report)
"""


def test_killed_in_the_middle(tmp_path: Path, registry: RegistryServer, other: RegistryServer) -> None:
    target = f"{other.address}/push/killed:1"
    with engine_at(tmp_path) as engine:
        engine.tag(pulled(engine, registry, "push/killed", 9), target)
        before = content(engine)
    script = _KILLED.format(tests=str(ROOT), root=str(tmp_path), target=target)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    with engine_at(tmp_path) as engine:
        assert content(engine) == before
        events: list[Event] = []
        engine.push(target, report=events.append)
    assert "Layer already exists" in outcomes(events)


def test_extensions_hear_of_it(
    tmp_path: Path, registry: RegistryServer, other: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"{other.address}/push/heard:1"
    heard: list[tuple[str, str]] = []
    with engine_at(tmp_path) as engine:
        engine.tag(pulled(engine, registry, "push/heard"), target)
        monkeypatch.setattr(engine.plugins, "image_pushed", lambda reference, image: heard.append((reference, image)))
        engine.push(target)
        assert heard == [(target, engine.image(target).id)]
