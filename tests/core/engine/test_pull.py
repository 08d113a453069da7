from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from tests.core.engine.workbench import DRIVERS, OCI_MANIFEST, archive, content, engine_at, push, sha256, tree
from tests.services.faults import FaultProxy
from tests.services.images import make_image, push_image, push_index
from tests.services.registry import RegistryServer

from sampan.engine.progress import Event
from sampan.errors import Corrupt, InvalidInput, NotFound, SampanError, Unavailable

ROOT = Path(__file__).resolve().parents[3]


def layers(name: str) -> list[bytes]:
    return [
        archive({"etc": None, "etc/name": name.encode(), "etc/both": b"lower", "etc/gone": b"x"}),
        archive({"etc/both": b"upper", "etc/.wh.gone": b""}),
        archive({"big": os.urandom(300_000)}),
    ]


@pytest.mark.parametrize("driver", DRIVERS)
def test_pull(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    made = layers("pull")
    digest = push(registry, "pull/whole:1", made)
    events: list[Event] = []
    with engine_at(tmp_path, driver) as engine:
        pulled = engine.pull(f"{registry.address}/pull/whole:1", report=events.append)
        assert (pulled.digest, pulled.fresh) == (digest, True)
        assert pulled.reference.familiar == f"{registry.address}/pull/whole:1"
        assert pulled.image.tags == (f"{registry.address}/pull/whole:1",)
        assert pulled.image.digests == (f"{registry.address}/pull/whole@{digest}",)
        assert pulled.image.created == 1704164645
        assert pulled.image.size == sum((len(b"pull"), 5, 1, 5, 300_000))
        assert tree(engine, pulled.image.id) == {
            "etc/name": b"pull", "etc/both": b"upper", "big": tree(engine, pulled.image.id)["big"],
        }
        found = content(engine)
        assert len(found["blobs"]) == 5  # three layers, configuration, manifest
        assert len(found["snapshots"]) == 3
        assert found["journal"] == found["leases"] == found["temporary"] == found["locks"] == []
    assert events[0] == Event("1", "Pulling from pull/whole")
    for layer in made:
        name = sha256(gzip.compress(layer, 1, mtime=0))[7:19]
        told = [event.action for event in events if event.id == name]
        assert told[0] == "Pulling fs layer"
        assert told[-1] == "Pull complete"
        assert {"Download complete", "Extracting"} <= set(told)


def test_pull_again_is_up_to_date(tmp_path: Path, registry: RegistryServer) -> None:
    push(registry, "pull/again:1", layers("again"))
    name = f"{registry.address}/pull/again:1"
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        first = engine.pull(name)
        before = content(engine)
        second = engine.pull(name, report=events.append)
        assert (first.fresh, second.fresh) == (True, False)
        assert second.image == first.image
        assert content(engine) == before
    assert [event.action for event in events] == ["Pulling from pull/again"]


def test_an_image_of_layers_that_are_here(tmp_path: Path, registry: RegistryServer) -> None:
    made = layers("shared")
    push(registry, "pull/shared:1", made)
    push(registry, "pull/shared:2", made, config={"comment": "another"})
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        engine.pull(f"{registry.address}/pull/shared:1")
        assert engine.pull(f"{registry.address}/pull/shared:2", report=events.append).fresh
    assert [event.action for event in events[1:]] == ["Already exists"] * 3


def test_a_tag_that_moved_brings_only_what_is_new(tmp_path: Path, registry: RegistryServer) -> None:
    made = layers("moved")
    name = f"{registry.address}/pull/moved:1"
    with engine_at(tmp_path) as engine:
        push(registry, "pull/moved:1", made[:2])
        old = engine.pull(name)
        push(registry, "pull/moved:1", made)
        events: list[Event] = []
        new = engine.pull(name, report=events.append)
        assert new.fresh
        assert [event.action for event in events].count("Already exists") == 2
        assert engine.image(old.image.id).tags == ()
        assert engine.image(name).id == new.image.id


def test_pull_by_digest(tmp_path: Path, registry: RegistryServer) -> None:
    digest = push(registry, "pull/digest:1", layers("digest"))
    name = f"{registry.address}/pull/digest@{digest}"
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        pulled = engine.pull(name, report=events.append)
        assert (pulled.image.tags, pulled.image.digests) == ((), (name,))
        assert engine.image(name) == pulled.image
        assert not engine.pull(name).fresh
    assert events[0] == Event(name, "Pulling from pull/digest")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("form", "compression"), [("oci", "zstd"), ("oci", "gzip"), ("v2s2", "gzip")])
def test_forms_and_compressions(
    tmp_path: Path, registry: RegistryServer, form: str, compression: str, driver: str
) -> None:
    # Whole blocks: umoci leaves out the padding after the last file.
    files = [{"etc/one": b"1" * 5120, "etc/both": b"l" * 512}, {"etc/two": b"2" * 512, "etc/both": b"u" * 512}]
    image = make_image(tmp_path / "made", files)
    name = push_image(image, registry, f"pull/{form}-{compression}:1", form=form, compression=compression)
    with engine_at(tmp_path, driver) as engine:
        assert tree(engine, engine.pull(name).image.id) == {**files[0], **files[1]}


def test_plain_layers_and_the_same_one_twice(tmp_path: Path, registry: RegistryServer) -> None:
    same = archive({"a": b"1"})
    push(registry, "pull/twice:1", [same, archive({"b": b"2"}), same], compression="")
    with engine_at(tmp_path) as engine:
        assert tree(engine, engine.pull(f"{registry.address}/pull/twice:1").image.id) == {"a": b"1", "b": b"2"}
        assert len(content(engine)["snapshots"]) == 3


def test_an_image_without_layers(tmp_path: Path, registry: RegistryServer) -> None:
    push(registry, "pull/empty:1", [])
    with engine_at(tmp_path) as engine:
        image = engine.pull(f"{registry.address}/pull/empty:1").image
        assert image.size == 0
        assert content(engine)["snapshots"] == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_many_layers(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    push(registry, f"pull/many-{driver}:1", [archive({f"file{n}": str(n).encode()}) for n in range(30)])
    with engine_at(tmp_path, driver) as engine:
        image = engine.pull(f"{registry.address}/pull/many-{driver}:1").image
        assert tree(engine, image.id) == {f"file{n}": str(n).encode() for n in range(30)}


# Indexes and platforms


def push_platforms(registry: RegistryServer, name: str) -> bytes:
    entries = []
    for architecture, variant in (("amd64", ""), ("arm", "v6"), ("arm", "v7"), ("arm64", "v8")):
        digest = push(
            registry, f"{name}:{architecture}{variant}", [archive({"arch": f"{architecture}{variant}".encode()})],
            config={"architecture": architecture, "variant": variant},
        )
        size = len((registry.storage / f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data").read_bytes())
        entries.append({
            "mediaType": OCI_MANIFEST, "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})},
        })
    return push_index(registry, name, "1", entries)


@pytest.mark.parametrize(
    ("platform", "arch"),
    [("", b"amd64"), ("linux/amd64", b"amd64"), ("linux/arm/v6", b"armv6"), ("linux/arm", b"armv7"),
     ("linux/arm64", b"arm64v8")],
)
def test_an_index(tmp_path: Path, registry: RegistryServer, platform: str, arch: bytes) -> None:
    index = push_platforms(registry, "pull/index")
    with engine_at(tmp_path) as engine:
        pulled = engine.pull(f"{registry.address}/pull/index:1", platform=platform)
        assert pulled.digest == sha256(index)
        assert pulled.image.digests == (f"{registry.address}/pull/index@{sha256(index)}",)
        assert tree(engine, pulled.image.id) == {"arch": arch}
        assert engine.store.blobs.read(pulled.digest) == index


def test_a_platform_the_index_lacks(tmp_path: Path, registry: RegistryServer) -> None:
    push_platforms(registry, "pull/lacks")
    with engine_at(tmp_path) as engine:
        with pytest.raises(NotFound, match=r"^no matching manifest for linux/s390x in the manifest list entries$"):
            engine.pull(f"{registry.address}/pull/lacks:1", platform="linux/s390x")
        assert not any(content(engine).values())


def test_a_single_image_of_another_platform(tmp_path: Path, registry: RegistryServer) -> None:
    push(registry, "pull/single:1", layers("single"))
    name = f"{registry.address}/pull/single:1"
    with engine_at(tmp_path) as engine:
        with pytest.raises(NotFound, match="specified platform: wanted linux/s390x, actual: linux/amd64"):
            engine.pull(name, platform="linux/s390x")
        with pytest.raises(InvalidInput, match="invalid platform"):
            engine.pull(name, platform="a/b/c/d")
        assert not any(content(engine).values())


# What is not right


def refused(
    tmp_path: Path, name: str, kind: type[SampanError], message: str | None, driver: str = "overlay2"
) -> None:
    with engine_at(tmp_path, driver) as engine:
        with pytest.raises(kind, match=message):
            engine.pull(name)
        found = content(engine)
        assert {key: value for key, value in found.items() if value} == {}


def test_no_such_tag_or_repository(tmp_path: Path, registry: RegistryServer) -> None:
    push(registry, "pull/there:1", [])
    refused(tmp_path, f"{registry.address}/pull/there:2", NotFound, "not found")
    refused(tmp_path, f"{registry.address}/pull/nowhere:1", NotFound, "not found")


def test_no_registry(tmp_path: Path) -> None:
    refused(tmp_path, "127.0.0.1:1/x:1", Unavailable, "127.0.0.1:1")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_wrong_diff_id(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    made = layers("wrong")
    diff_ids = [sha256(made[0]), sha256(b"something else"), sha256(made[2])]
    push(registry, f"pull/wrong-{driver}:1", made, diff_ids=diff_ids)
    refused(tmp_path, f"{registry.address}/pull/wrong-{driver}:1", Corrupt, "unpacks to sha256:.* instead of", driver)


@pytest.mark.parametrize("what", ["layer", "config", "manifest"])
def test_a_registry_that_gives_other_bytes(tmp_path: Path, registry: RegistryServer, what: str) -> None:
    made = layers(f"tampered {what}")
    digest = push(registry, f"pull/tampered-{what}:1", made)
    blobs = registry.storage / "docker/registry/v2/blobs/sha256"
    manifest = json.loads((blobs / digest[7:9] / digest[7:] / "data").read_bytes())
    victims = {"layer": manifest["layers"][2]["digest"], "config": manifest["config"]["digest"], "manifest": digest}
    victim = victims[what]
    file = blobs / victim[7:9] / victim[7:] / "data"
    original = file.read_bytes()
    file.write_bytes(original[:50] + bytes([original[50] ^ 1]) + original[51:])
    name = f"{registry.address}/pull/tampered-{what}"
    refused(tmp_path, f"{name}@{digest}" if what == "manifest" else f"{name}:1", SampanError, None)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "layer",
    [b"this is no archive" * 100, archive({"a": b"1" * 999})[:600], gzip.compress(archive({"a": b"1"}))[:-20]],
    ids=["garbage", "truncated", "truncated-gzip"],
)
def test_a_layer_that_makes_no_sense(tmp_path: Path, registry: RegistryServer, layer: bytes, driver: str) -> None:
    name = f"pull/senseless-{driver}-{sha256(layer)[7:15]}:1"
    push(registry, name, [archive({"x": b"1"}), layer], compression="")
    refused(tmp_path, f"{registry.address}/{name}", Corrupt, None, driver)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_hostile_layer_stays_inside(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    outside = tmp_path / "outside"
    hostile = archive({f"../../../../../../../..{outside}": b"escaped"})
    push(registry, f"pull/hostile-{driver}:1", [hostile])
    with engine_at(tmp_path, driver) as engine:
        try:
            engine.pull(f"{registry.address}/pull/hostile-{driver}:1")
        except Corrupt:
            assert not any(content(engine).values())
    assert not outside.exists()


# Faults on the way, and several at once


def test_a_download_that_breaks_off_for_good(tmp_path: Path, registry: RegistryServer, proxy: FaultProxy) -> None:
    made = layers("broken")
    push(registry, "pull/broken:1", made)
    victim = sha256(gzip.compress(made[2], 1, mtime=0))
    proxy.fault(f"GET .*{victim}", times=100, cut=1000)
    refused(tmp_path, f"{proxy.address}/pull/broken:1", SampanError, None)


@pytest.mark.parametrize("driver", DRIVERS)
def test_two_engines_pull_the_same_at_once(
    tmp_path: Path, registry: RegistryServer, proxy: FaultProxy, driver: str
) -> None:
    push(registry, f"pull/atonce-{driver}:1", layers("at once"))
    name = f"{proxy.address}/pull/atonce-{driver}:1"
    results: list[object] = []
    with engine_at(tmp_path, driver) as engine:
        engine.storage()  # finds out what works here, once

    def pull() -> None:
        try:
            with engine_at(tmp_path, driver) as engine:
                results.append(engine.pull(name).image.id)
        except BaseException as error:
            results.append(error)

    threads = [Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1, results
    fetched = [request.line for request in proxy.requests if "/blobs/" in request.line]
    assert len(fetched) == len(set(fetched)) <= 4
    with engine_at(tmp_path, driver) as engine:
        found = content(engine)
        assert len(found["snapshots"]) == 3
        assert found["journal"] == found["leases"] == found["temporary"] == found["locks"] == []


_KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.core.engine.workbench import engine_at

def report(event):
    if event.action == {action!r}:
        os.kill(os.getpid(), signal.{signal})

with engine_at(Path({root!r}), {driver!r}) as engine:
    engine.pull({name!r}, report=report)
"""


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("action", ["Pulling fs layer", "Extracting", "Download complete", "Pull complete"])
def test_killed_in_the_middle(
    tmp_path: Path, registry: RegistryServer, driver: str, number: signal.Signals, action: str
) -> None:
    name = f"pull/killed-{driver}-{number}-{action.lower().replace(' ', '-')}:1"
    push(registry, name, layers("killed"))
    script = _KILLED.format(
        tests=str(ROOT), action=action, signal=number.name, root=str(tmp_path), driver=driver,
        name=f"{registry.address}/{name}",
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert ended.returncode == -number, ended.stderr.decode()
    with engine_at(tmp_path, driver) as engine:
        assert {key: value for key, value in content(engine).items() if value} == {}
        assert len(tree(engine, engine.pull(f"{registry.address}/{name}").image.id)) == 3


def test_what_fails_leaves_what_was_there(tmp_path: Path, registry: RegistryServer) -> None:
    made = layers("kept")
    push(registry, "pull/kept:good", made[:1])
    push(registry, "pull/kept:bad", [made[0], made[1]], diff_ids=[sha256(made[0]), sha256(b"other")])
    with engine_at(tmp_path) as engine:
        engine.pull(f"{registry.address}/pull/kept:good")
        before = content(engine)
        with pytest.raises(Corrupt):
            engine.pull(f"{registry.address}/pull/kept:bad")
        assert content(engine) == before


def test_extensions_hear_of_it(tmp_path: Path, registry: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    push(registry, "pull/heard:1", [])
    heard: list[tuple[str, str]] = []
    with engine_at(tmp_path) as engine:
        monkeypatch.setattr(engine.plugins, "image_pulled", lambda reference, image: heard.append((reference, image)))
        image = engine.pull(f"{registry.address}/pull/heard:1").image
    assert heard == [(f"{registry.address}/pull/heard:1", image.id)]


def test_real_tools_image(tmp_path: Path, registry: RegistryServer) -> None:
    image = make_image(tmp_path / "made", [{"bin/sh": b"#" * 512}], ["--config.entrypoint=/bin/sh", "--config.env=A=1"])
    name = push_image(image, registry, "pull/umoci:1")
    with engine_at(tmp_path) as engine:
        engine.pull(name)
        document = engine.inspect_image(name)
        assert document["Config"]["Entrypoint"] == ["/bin/sh"]
        assert "A=1" in document["Config"]["Env"]
