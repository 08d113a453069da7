from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.core.engine.workbench import DRIVERS, archive, content, engine_at, sha256, tree

from sampan.engine.engine import Engine
from sampan.engine.progress import Event
from sampan.errors import Corrupt, InvalidInput, NotFound, SampanError, Unsupported

LOWER, UPPER = archive({"etc": None, "etc/one": b"1" * 5000}), archive({"etc": None, "etc/two": b"2"})
Members = dict[str, bytes]


def configuration(*layers: bytes, **more: Any) -> bytes:
    document = {
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]}, **more,
    }
    return json.dumps(document, indent=1).encode()  # unlike anything that Sampan itself would write


def packed(members: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """Return a tar of members and symbolic links; a link's target after a ``=`` is that of a hard link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.LNKTYPE if target.startswith("=") else tarfile.SYMTYPE
            entry.linkname = target.removeprefix("=")
            tar.addfile(entry)
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return out.getvalue()


def docker(*items: tuple[bytes, list[str] | None, list[str]], **members: bytes) -> Members:
    """Return the members of what Docker wrote from 1.10 to 24, of configurations, names and members of layers."""
    listed, found = [], {name.replace("__", "/"): body for name, body in members.items()}
    for config, tags, layers in items:
        name = sha256(config).partition(":")[2] + ".json"
        found[name] = config
        listed.append({"Config": name, "RepoTags": tags, "Layers": layers})
    return {**found, "manifest.json": json.dumps(listed).encode()}


def blob(members: Members, kind: str, body: bytes, **more: Any) -> dict[str, Any]:
    """Put a blob where OCI's layout has it; its descriptor."""
    members["blobs/sha256/" + sha256(body).partition(":")[2]] = body
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": sha256(body), "size": len(body), **more}


def oci(members: Members, *layers: bytes, annotations: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Put an image into an OCI layout; its descriptor."""
    document = {
        "schemaVersion": 2,
        "config": blob(members, "config.v1+json", configuration(*layers, **more)),
        "layers": [blob(members, "layer.v1.tar+gzip", gzip.compress(layer, mtime=0)) for layer in layers],
    }
    kind, names = "manifest.v1+json", annotations or {}
    return blob(members, kind, json.dumps(document, indent=2).encode(), annotations=names)


def layout(members: Members, *descriptors: dict[str, Any]) -> Members:
    index = json.dumps({"schemaVersion": 2, "manifests": list(descriptors)}).encode()
    return {**members, "oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index}


def load(
    engine: Engine, members: Mapping[str, bytes], *, links: Mapping[str, str] | None = None, **more: Any
) -> list[str]:
    return [str(name) for one in engine.load(io.BytesIO(packed(members, links)), **more) for name in one.names]


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_docker_wrote_since_1_10(tmp_path: Path, driver: str) -> None:
    config = configuration(LOWER, UPPER, LOWER)
    members = docker((config, ["x:1", "example.org/y:2"], ["a/layer.tar", "b/layer.tar", "c/layer.tar"]),
                     a__layer_tar=b"")
    members = {**members, "a/layer.tar": LOWER, "b/layer.tar": UPPER}
    with engine_at(tmp_path, driver) as engine:
        assert load(engine, members, links={"c/layer.tar": "../a/layer.tar"}) == [
            "docker.io/library/x:1", "example.org/y:2"
        ]
        image = engine.image("x:1")
        assert image.id == sha256(config) and engine.store.blobs.read(image.id) == config
        assert tree(engine, "x:1") == {"etc/one": b"1" * 5000, "etc/two": b"2"}
        assert engine.image("example.org/y:2") == image
        kept = content(engine)
        assert kept["journal"] == kept["leases"] == kept["temporary"] == kept["locks"] == []
        engine.remove_image(image.id, force=True)
        assert not any(content(engine).values())


def test_hard_links_and_names_that_begin_with_a_dot(tmp_path: Path) -> None:
    members = docker((configuration(LOWER, LOWER), ["x:1"], ["a/layer.tar", "b/layer.tar"]))
    members = {f"./{name}": body for name, body in {**members, "a/layer.tar": LOWER}.items()}
    with engine_at(tmp_path) as engine:
        load(engine, members, links={"./b/layer.tar": "=./a/layer.tar"})
        assert tree(engine, "x:1") == {"etc/one": b"1" * 5000}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_compressed_layers_in_a_compressed_archive(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    members = {**docker((configuration(LOWER), ["x:1"], ["layer"])), "layer": pack(LOWER)}
    with engine_at(tmp_path) as engine:
        (one,) = engine.load(io.BytesIO(pack(packed(members))))
        assert one.image.id == sha256(configuration(LOWER))
        assert tree(engine, "x:1") == {"etc/one": b"1" * 5000}
        again = io.BytesIO()
        engine.save(["x:1"], again)
        with tarfile.open(fileobj=io.BytesIO(again.getvalue())) as tar:
            kept = tar.extractfile("blobs/sha256/" + sha256(members["layer"]).partition(":")[2])
            assert kept is not None and kept.read() == members["layer"]


def test_several_images_in_one_archive(tmp_path: Path) -> None:
    items = [
        (configuration(LOWER), ["x:1"], ["lower"]),
        (configuration(LOWER, UPPER), None, ["lower", "upper"]),
        (configuration(), ["empty:1"], []),
    ]
    with engine_at(tmp_path) as engine:
        found = engine.load(io.BytesIO(packed({**docker(*items), "lower": LOWER, "upper": UPPER})))
        assert [one.image.id for one in found] == [sha256(config) for config, _, _ in items]
        assert [len(one.names) for one in found] == [1, 0, 1]
        assert tree(engine, found[1].image.id) == {"etc/one": b"1" * 5000, "etc/two": b"2"}


def test_a_name_moves_and_the_old_image_stays(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        load(engine, {**docker((configuration(LOWER), ["x:1"], ["layer"])), "layer": LOWER})
        old = engine.image("x:1")
        (one,) = engine.load(io.BytesIO(packed({**docker((configuration(UPPER), ["x:1"], ["l"])), "l": UPPER})))
        assert {str(name): before for name, before in one.displaced.items()} == {"docker.io/library/x:1": old.id}
        assert engine.image(old.id).tags == ()
        (one,) = engine.load(io.BytesIO(packed({**docker((configuration(UPPER), ["x:1"], ["l"])), "l": UPPER})))
        assert one.displaced == {}


def test_the_manifests_of_dockers_layout_are_kept(tmp_path: Path) -> None:
    members: Members = {}
    name = {"io.containerd.image.name": "docker.io/library/x:1", "org.opencontainers.image.ref.name": "1"}
    descriptor = oci(members, LOWER, annotations=name)
    layer = "blobs/sha256/" + sha256(gzip.compress(LOWER, mtime=0)).partition(":")[2]
    items = docker((configuration(LOWER), ["x:1", "y:1"], [layer]))
    with engine_at(tmp_path) as engine:
        assert load(engine, {**layout(members, descriptor), **items}) == [
            "docker.io/library/x:1", "docker.io/library/y:1"
        ]
        assert engine.image("x:1").manifest == descriptor["digest"]


def test_a_layout_in_a_directory(tmp_path: Path) -> None:
    members: Members = {}
    descriptor = oci(members, LOWER, annotations={"org.opencontainers.image.ref.name": "example.org/x:1"})
    for name, body in layout(members, descriptor).items():
        path = tmp_path / "layout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    with engine_at(tmp_path) as engine:
        (one,) = engine.load(str(tmp_path / "layout"))
        assert [name.familiar for name in one.names] == ["example.org/x:1"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("platform", "expected"), [("", b"amd64"), ("linux/arm64", b"arm64")])
def test_several_platforms(tmp_path: Path, nested: bool, platform: str, expected: bytes) -> None:
    members: Members = {}
    name = {"org.opencontainers.image.ref.name": "x:1"}
    entries = [
        {**oci(members, archive({"arch": arch.encode()}), architecture=arch, annotations=name),
         "platform": {"os": "linux", "architecture": arch}}
        for arch in ("arm64", "amd64")
    ]
    if nested:
        index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        inner = blob(members, "index.v1+json", index)
        index = json.dumps({"schemaVersion": 2, "manifests": [inner]}).encode()
        entries = [blob(members, "index.v1+json", index, annotations=name)]
    with engine_at(tmp_path) as engine:
        (one,) = engine.load(io.BytesIO(packed(layout(members, *entries))), platform=platform)
        assert tree(engine, "x:1") == {"arch": expected}
        with pytest.raises(NotFound, match="no matching manifest for linux/s390x"):
            engine.load(io.BytesIO(packed(layout(members, *entries))), platform="linux/s390x")
        assert engine.images() == [one.image]


def test_a_bare_tag_is_no_name(tmp_path: Path) -> None:
    members: Members = {}
    descriptor = oci(members, LOWER, annotations={"org.opencontainers.image.ref.name": "latest"})
    with engine_at(tmp_path) as engine:
        assert load(engine, layout(members, descriptor)) == []


def test_pipes_files_and_what_is_left_of_them(tmp_path: Path) -> None:
    whole = packed({**docker((configuration(LOWER), ["x:1"], ["layer"])), "layer": LOWER})
    (tmp_path / "file").write_bytes(whole)
    os.mkfifo(tmp_path / "fifo")
    with engine_at(tmp_path) as engine:
        for source in (str(tmp_path / "file"), str(tmp_path / "fifo")):
            thread = threading.Thread(target=lambda: (tmp_path / "fifo").write_bytes(whole))
            if source.endswith("fifo"):
                thread.start()
            (one,) = engine.load(source)
            assert one.names[0].familiar == "x:1"
            if thread.ident:
                thread.join()
        with open(tmp_path / "file", "rb") as file:
            assert engine.load(file)[0].image == one.image
        assert os.listdir(engine.layout.temporary) == []


def test_layers_are_reported(tmp_path: Path) -> None:
    events: list[Event] = []
    with engine_at(tmp_path) as engine:
        members = {**docker((configuration(LOWER), ["x:1"], ["layer"])), "layer": LOWER}
        load(engine, members, report=events.append)
    assert {event.id for event in events} == {sha256(LOWER)[7:19]}
    assert "Extracting" in {event.action for event in events}


X = ["x:1"]
DEEP = b"[" * 200_000 + b"]" * 200_000
WRONG: dict[str, tuple[type[SampanError], str, Members]] = {
    "nothing": (InvalidInput, "is in no image format", {}),
    "something else": (InvalidInput, "is in no image format", {"file": b"content"}),
    "no such configuration": (Corrupt, "the archive has no absent.json", {
        "manifest.json": b'[{"Config": "absent.json", "RepoTags": null, "Layers": []}]'}),
    "a path out of it": (Corrupt, "the archive has no ../../../etc/passwd", {
        "manifest.json": b'[{"Config": "../../../etc/passwd", "RepoTags": null, "Layers": []}]'}),
    "an absolute path": (Corrupt, "the archive has no /etc/passwd", {
        **docker((configuration(LOWER), X, ["/etc/passwd"]))}),
    "no layers": (Corrupt, "layers length mismatch: expected 0, got 1", docker((configuration(LOWER), X, []))),
    "another layer": (Corrupt, "does not match its digest", {
        **docker((configuration(LOWER), X, ["l"])), "l": UPPER}),
    "another compressed layer": (Corrupt, "unpacks to", {
        **docker((configuration(LOWER), X, ["l"])), "l": gzip.compress(UPPER)}),
    "another layer later": (Corrupt, "does not match its digest", {
        **docker((configuration(LOWER), X, ["good"]), (configuration(UPPER), ["y:1"], ["bad"])),
        "good": LOWER, "bad": LOWER}),
    "a wrong name": (Corrupt, "the name 'X:1', which is none", {
        **docker((configuration(LOWER), ["X:1"], ["l"])), "l": LOWER}),
    "a hostile name": (Corrupt, "which is none", {
        **docker((configuration(LOWER), ["../../x:1\x1b[2J"], ["l"])), "l": LOWER}),
    "no JSON": (Corrupt, "the archive's manifest.json is not valid", {"manifest.json": b"{"}),
    "deep JSON": (Corrupt, "the archive's manifest.json is not valid", {"manifest.json": DEEP}),
    "no text": (Corrupt, "the archive's manifest.json is not valid", {"manifest.json": b"[{\xff"}),
    "an empty list": (Corrupt, "the archive holds no image", {"manifest.json": b"[]"}),
    "a huge list": (Corrupt, "the archive's manifest.json has 5242880 bytes", {"manifest.json": b" " * (5 << 20)}),
    "names alone": (Corrupt, "the archive has no a/json", {"repositories": b'{"x": {"1": "a"}}'}),
    "names of nothing": (Corrupt, "the archive holds no image", {"repositories": b"{}"}),
    "names that are none": (Corrupt, "the archive's repositories is not valid", {"repositories": b'{"x": "1"}'}),
    "a layer that is its own parent": (Corrupt, "the archive's layer 'a' stands on itself", {
        "repositories": b'{"x": {"1": "a"}}', "a/json": b'{"parent": "b"}', "b/json": b'{"parent": "a"}'}),
    "an old layer that is compressed": (Corrupt, "a/layer.tar is compressed, as docker save never did", {
        "repositories": b'{"x": {"1": "a"}}', "a/json": b"{}", "a/layer.tar": gzip.compress(LOWER)}),
    "an old layer that is not there": (Corrupt, "the archive has no a/layer.tar", {
        "repositories": b'{"x": {"1": "a"}}', "a/json": b"{}"}),
    "a layout yet to come": (Unsupported, "has the version '2.0.0'", {
        "oci-layout": b'{"imageLayoutVersion": "2.0.0"}', "index.json": b'{"manifests": []}'}),
    "an empty layout": (Corrupt, "the archive holds no image", layout({})),
    "a blob that is not there": (NotFound, "the archive has no blobs/sha256/" + "a" * 64, layout({}, {
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64, "size": 3})),
    "a digest that is a path": (NotFound, "the archive has no image sha256:../../x", layout({}, {
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:../../x", "size": 3})),
    "a blob of other bytes": (Corrupt, "manifest verification failed", {
        **layout({}, blob({}, "manifest.v1+json", b'{"config": {}}')),
        "blobs/sha256/" + sha256(b'{"config": {}}')[7:]: b'{"layers": []}'}),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    error, message, members = WRONG[what]
    with engine_at(tmp_path) as engine:
        with pytest.raises(error) as caught:
            load(engine, members)
        assert message in caught.value.message and "\n" not in caught.value.message
        assert "\x1b" not in caught.value.message
        assert not any(content(engine).values())


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    members = docker((configuration(LOWER), X, ["layer"]))
    with engine_at(tmp_path) as engine:
        for target in ("layer", "/etc/passwd", "../../../../etc/passwd", "=../etc/passwd", "absent"):
            with pytest.raises(Corrupt, match="the archive has no layer"):
                load(engine, members, links={"layer": target})


def test_truncated_anywhere(tmp_path: Path) -> None:
    whole = packed({**docker((configuration(LOWER, UPPER), X, ["a", "b"])), "a": LOWER, "b": UPPER})
    end = len(whole.rstrip(b"\0"))
    with engine_at(tmp_path) as engine:
        for cut in [*range(1, end, end // 17), end - 1]:
            with pytest.raises((Corrupt, InvalidInput)):
                engine.load(io.BytesIO(whole[:cut]))
            with pytest.raises(Corrupt):
                engine.load(io.BytesIO(gzip.compress(whole)[: cut * 100 // end + 10]))
        assert not any(content(engine).values())


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with engine_at(tmp_path) as engine:
        with pytest.raises(InvalidInput, match=r"^open /absent: no such file or directory$"):
            engine.load("/absent")
        with pytest.raises(InvalidInput, match="no image format"):
            engine.load(str(tmp_path))
        with pytest.raises(Corrupt, match="stdin is empty"):
            engine.load(io.BytesIO())
        for form in ("docker-archive", "oci-archive"):
            with pytest.raises(SampanError):
                engine.load(str(tmp_path / "empty"), format=form)
        with pytest.raises(InvalidInput, match="the snapshot format rootfs-tar does not hold images"):
            engine.load(str(tmp_path / "empty"), format="rootfs-tar")
