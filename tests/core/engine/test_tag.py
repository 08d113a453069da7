"""Giving names; tests/integration has the command."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.core.engine.workbench import archive, engine_at

from sampan.errors import InvalidInput, NotFound


def test_a_name_passes_from_one_image_to_another(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        one, two = (engine.import_image(io.BytesIO(archive({name: b""})), f"{name}:1") for name in ("one", "two"))
        engine.tag("one:1", "both")
        engine.tag(two.short_id, "both:latest")
        assert engine.image("both").id == two.id
        assert engine.image(one.id).tags == ("docker.io/library/one:1",)
        assert engine.store.images.tagged(two.id) > 0


@pytest.mark.parametrize(("target", "why"), [
    ("UPPER", r'"UPPER" is not a valid repository/tag: invalid reference format: repository name .* must be lowercase'),
    (f"x@sha256:{'0' * 64}", "refusing to create a tag with a digest reference"),
    ("sha256:abc", "refusing to create an ambiguous tag using digest algorithm as name"),
])
def test_what_cannot_be_a_name(tmp_path: Path, target: str, why: str) -> None:
    with engine_at(tmp_path) as engine:
        engine.import_image(io.BytesIO(archive({})), "one:1")
        with pytest.raises(InvalidInput, match=why):
            engine.tag("one:1", target)
        with pytest.raises(NotFound, match="No such image: nosuch:latest"):
            engine.tag("nosuch", "two")
