from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile

import msgspec
import pytest
from tests.core.engine.workbench import DRIVERS, archive, content, engine_at, sha256, tree

from sampan.errors import Corrupt, InvalidInput
from sampan.model.container import ContainerSpec

FILES = {"bin/sh": b"#!", "etc/name": b"x" * 5000}


def plain() -> bytes:
    return archive(FILES)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_import(tmp_path, driver, compress) -> None:  # type: ignore[no-untyped-def]
    with engine_at(tmp_path, driver) as engine:
        image = engine.import_image(io.BytesIO(compress(plain())), "made/here", changes=("CMD /bin/sh", "ENV A=1"))
        assert image.tags == ("docker.io/made/here:latest",)
        assert image.size == 5002
        assert tree(engine, "made/here") == FILES
        document = engine.inspect_image("made/here")
        assert document["Config"]["Cmd"] == ["/bin/sh", "-c", "/bin/sh"]
        assert document["Config"]["Env"] == ["A=1"]
        assert document["Comment"] == "Imported from -"
        assert document["RootFS"] == {"Type": "layers", "Layers": [sha256(plain())]}
        manifest = msgspec.json.decode(engine.store.blobs.read(image.manifest))
        assert manifest["config"]["digest"] == image.id
        layer = manifest["layers"][0]
        assert engine.store.blobs.size(layer["digest"]) == layer["size"]
        found = content(engine)
        assert found["journal"] == found["leases"] == found["temporary"] == found["locks"] == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_directory(tmp_path, driver) -> None:  # type: ignore[no-untyped-def]
    top = tmp_path / "tree"
    (top / "etc").mkdir(parents=True)
    (top / "etc/name").write_bytes(b"x" * 5000)
    (top / "etc/name").chmod(0o4711)
    (top / "link").symlink_to("etc/name")
    with engine_at(tmp_path, driver) as engine:
        image = engine.import_image(str(top), "made/here")
        assert tree(engine, "made/here") == {"etc/name": b"x" * 5000}
        assert image.size == 5000 + len("etc/name")  # the link's target counts, as with Docker
        out = io.BytesIO()
        engine.create(ContainerSpec(image="made/here", command=("x",), network="none", name="one"))
        engine.export("one", out)
        out.seek(0)
        with tarfile.open(fileobj=out) as tar:
            assert (tar.getmember("etc/name").mode, tar.getmember("link").linkname) == (0o4711, "etc/name")


def test_the_layer_is_kept_compressed_and_the_same_each_time(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with engine_at(tmp_path) as engine:
        images = [engine.import_image(io.BytesIO(plain())) for _ in range(2)]
        manifests = [msgspec.json.decode(engine.store.blobs.read(image.manifest)) for image in images]
        (first,), (second,) = (manifest["layers"] for manifest in manifests)
        assert first == second and first["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
        assert gzip.decompress(engine.store.blobs.read(first["digest"])) == plain()


def test_a_snapshot_has_no_history_and_no_metadata(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with engine_at(tmp_path) as engine:
        engine.import_image(io.BytesIO(plain()), "first", changes=("CMD x", "ENV A=1", "LABEL l=1"))
        engine.create(ContainerSpec(image="first", network="none", name="one"))
        out = io.BytesIO()
        engine.export("one", out)
        out.seek(0)
        engine.import_image(out, "second")
        document = engine.inspect_image("second")
        assert [document["Config"][key] for key in ("Cmd", "Env", "Labels")] == [None] * 3
        assert document["Parent"] == "" and len(document["RootFS"]["Layers"]) == 1


def test_without_a_name_and_twice(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with engine_at(tmp_path) as engine:
        first = engine.import_image(io.BytesIO(plain()), message="by hand", platform="linux/arm64")
        second = engine.import_image(io.BytesIO(plain()))
        assert first.tags == second.tags == ()
        assert first.id != second.id
        assert len(content(engine)["snapshots"]) == 1
        document = engine.inspect_image(first.id)
        assert (document["Comment"], document["Architecture"]) == ("by hand", "arm64")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "bad", [b"", b"garbage" * 500, plain()[:3000], gzip.compress(plain())[:-30]],
    ids=["empty", "garbage", "truncated", "truncated-gzip"],
)
def test_what_makes_no_sense_leaves_nothing(tmp_path, driver, bad) -> None:  # type: ignore[no-untyped-def]
    with engine_at(tmp_path, driver) as engine:
        with pytest.raises(Corrupt):
            engine.import_image(io.BytesIO(bad), "x")
        assert {key: value for key, value in content(engine).items() if value} == {}


@pytest.mark.parametrize(
    "arguments",
    [{"reference": "UPPER"}, {"reference": "a@" + sha256(b"x")}, {"changes": ("RUN x",)}, {"platform": "a/b/c/d"},
     {"platform": "plan9/amd64"}],
)
def test_a_wrong_request_reads_nothing(tmp_path, arguments) -> None:  # type: ignore[no-untyped-def]
    source = io.BytesIO(plain())
    with engine_at(tmp_path) as engine, pytest.raises(InvalidInput):
        engine.import_image(source, **arguments)
    assert source.tell() == 0


def test_a_source_that_fails(tmp_path) -> None:  # type: ignore[no-untyped-def]
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 2000:
                raise ConnectionError
            return super().read(min(size or 0, 1000))

    with engine_at(tmp_path) as engine:
        with pytest.raises(ConnectionError):
            engine.import_image(Failing(plain()))
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_the_archives_of_tar(tmp_path) -> None:  # type: ignore[no-untyped-def]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add("/etc/passwd", "./etc/passwd")
    with engine_at(tmp_path) as engine:
        assert list(tree(engine, engine.import_image(io.BytesIO(out.getvalue())).id)) == ["etc/passwd"]
