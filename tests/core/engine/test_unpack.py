from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from tests.core.engine.workbench import archive, content, engine_at, tree

from sampan.engine import unpack
from sampan.errors import Corrupt, NotFound
from sampan.model.image import Manifest, decode


def test_another_driver_unpacks_from_the_blobs(tmp_path: Path) -> None:
    with engine_at(tmp_path, "overlay2") as engine:
        image = engine.import_image(io.BytesIO(archive({"a": b"1"})), "x")
        top = unpack.ensure_unpacked(engine, image, "overlay2")
    with engine_at(tmp_path, "vfs") as engine:
        assert unpack.ensure_unpacked(engine, image, "vfs") == top
        assert tree(engine, "x") == {"a": b"1"}
        assert content(engine)["journal"] == []
        assert len(engine.remove_image("x")) == 3
        assert content(engine)["layers"] == []


def test_damaged_and_missing_blobs_are_told_of(tmp_path: Path) -> None:
    with engine_at(tmp_path, "overlay2") as engine:
        image = engine.import_image(io.BytesIO(archive({"a": b"1"})), "x")
        manifest = decode(engine.store.blobs.read(image.manifest), Manifest, "manifest")
        layer = engine.store.blobs.path(manifest.layers[0].digest)
        before = content(engine)
    with engine_at(tmp_path, "vfs") as engine:
        damaged = bytearray(Path(layer).read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        Path(layer).write_bytes(damaged)
        with pytest.raises(Corrupt):
            unpack.ensure_unpacked(engine, image, "vfs")
        os.unlink(layer)
        with pytest.raises(NotFound, match="no such blob"):
            unpack.ensure_unpacked(engine, image, "vfs")
        assert content(engine)["snapshots"] == []
        assert content(engine)["layers"] == before["layers"]
