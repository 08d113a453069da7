from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from tests.core.engine.test_load import LOWER, UPPER, X, configuration, docker, packed
from tests.core.engine.workbench import archive, content, engine_at, push, sha256

from sampan.engine.engine import Engine
from sampan.errors import InvalidInput, NotFound


def save(engine: Engine, *names: str, **more: str) -> bytes:
    out = io.BytesIO()
    engine.save(names, out, **more)
    return out.getvalue()


def members(whole: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}  # type: ignore[union-attr]


@pytest.fixture
def engine(tmp_path: Path):  # type: ignore[no-untyped-def]
    """An engine with ``x:1`` and ``x:2``, the same image, ``y:1`` on top of it, and one without a name."""
    items = [
        (configuration(LOWER), ["x:1", "x:2"], ["lower"]),
        (configuration(LOWER, UPPER), ["example.org/y:1"], ["lower", "upper"]),
        (configuration(UPPER), None, ["upper"]),
    ]
    with engine_at(tmp_path) as opened:
        opened.load(io.BytesIO(packed({**docker(*items), "lower": LOWER, "upper": UPPER})))
        yield opened


def listed(whole: bytes) -> list[list[str] | None]:
    return [item["RepoTags"] for item in json.loads(members(whole)["manifest.json"])]


def test_names_ids_and_repositories(engine: Engine) -> None:
    nameless = sha256(configuration(UPPER))
    assert listed(save(engine, "x:1")) == [["x:1"]]
    assert listed(save(engine, "x:2", "x:1", "x:2")) == [["x:2", "x:1"]]
    assert listed(save(engine, "x")) == [["x:1", "x:2"]]
    assert listed(save(engine, "example.org/y:1", nameless[7:19])) == [["example.org/y:1"], None]
    assert listed(save(engine, engine.image("x:1").id)) == [None]
    assert listed(save(engine, nameless, "x:1")) == [None, ["x:1"]]


def test_what_is_in_it(engine: Engine) -> None:
    found = members(save(engine, "example.org/y:1", "x:1"))
    blobs = {name: body for name, body in found.items() if name.startswith("blobs/")}
    assert set(found) - set(blobs) == {"oci-layout", "index.json", "manifest.json", "repositories"}
    assert all(sha256(body) == "sha256:" + name.rpartition("/")[2] for name, body in blobs.items())
    assert {LOWER, UPPER, configuration(LOWER), configuration(LOWER, UPPER)} < set(blobs.values())
    assert len(blobs) == 6
    assert json.loads(found["repositories"]) == {
        "example.org/y": {"1": sha256(UPPER)[7:]}, "x": {"1": sha256(LOWER)[7:]}
    }


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_the_same_bytes_again(engine: Engine, tmp_path: Path, form: str) -> None:
    names = ("x:1", "example.org/y:1", sha256(configuration(UPPER)))
    whole = save(engine, *names, format=form)
    assert save(engine, *names, format=form) == whole
    with engine_at(tmp_path / "other", "vfs") as other:
        loaded = other.load(io.BytesIO(whole))
        assert [one.image.id for one in loaded] == [engine.image(name).id for name in names]
        assert save(other, *names, format=form) == whole


def test_a_pulled_image_survives_with_its_digests(tmp_path, registry) -> None:  # type: ignore[no-untyped-def]
    digest = push(registry, "saved/pulled:1", [archive({"f": b"content"}), LOWER])
    name = f"{registry.address}/saved/pulled:1"
    with engine_at(tmp_path) as engine, engine_at(tmp_path / "other") as other:
        image = engine.pull(name).image
        whole = save(engine, name)
        (one,) = other.load(io.BytesIO(whole))
        assert (one.image.id, one.image.manifest, one.image.size) == (image.id, digest, image.size)
        kept = {row[1] for row in other.store.database.all("SELECT * FROM image_blobs")}
        assert kept == {row[1] for row in engine.store.database.all("SELECT * FROM image_blobs")}
        assert save(other, name) == whole


def test_plain_layers_from_a_registry(tmp_path, registry) -> None:  # type: ignore[no-untyped-def]
    push(registry, "saved/plain:1", [LOWER, UPPER, LOWER], compression="")
    for turn in range(3):
        with engine_at(tmp_path / str(turn)) as engine:
            assert engine.pull(f"{registry.address}/saved/plain:1").image.size == 10001


def test_what_cannot_be_saved(engine: Engine) -> None:
    before = content(engine)
    with pytest.raises(NotFound, match="No such image: z:latest"):
        save(engine, "x:1", "z")
    with pytest.raises(NotFound, match="No such image: x:3"):
        save(engine, "x:3")
    with pytest.raises(NotFound, match=r"image with reference x:1 was found but does not match .* linux/arm64"):
        save(engine, "x:1", platform="linux/arm64")
    assert listed(save(engine, "x:1", platform="linux/amd64")) == [X]
    with pytest.raises(InvalidInput, match="does not hold images"):
        save(engine, "x:1", format="rootfs-tar")
    with pytest.raises(NotFound, match='no snapshot format named "docker-archiv"'):
        save(engine, "x:1", format="docker-archiv")
    assert content(engine) == before


def test_an_image_that_is_removed_meanwhile(engine: Engine) -> None:
    class Out(io.BytesIO):
        def write(self, piece) -> int:  # type: ignore[no-untyped-def, override]
            if not self.tell():
                engine.remove_image("example.org/y:1")
            return super().write(piece)

    out = Out()
    engine.save(["example.org/y:1"], out)
    assert UPPER in members(out.getvalue()).values()
    for image in engine.images():
        engine.remove_image(image.id, force=True)
    assert not any(content(engine).values())
