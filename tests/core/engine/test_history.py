"""The steps of an image, and what the store knows of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.engine.workbench import archive, engine_at, push, stack
from tests.services.registry import RegistryServer

from sampan.errors import Corrupt, NotFound


def test_ids_as_far_as_the_line_is_here(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        lower, middle, upper = stack(engine, registry, "history/line")
        steps = engine.history(upper.id)
        assert [(step.image, step.created_by, step.size) for step in steps] == [
            (upper.id, "step 2", 3), (middle.id, "step 1", 2), (lower.id, "step 0", 1),
        ]
        assert engine.history(upper.id, platform="amd64") == steps
        with pytest.raises(NotFound, match="does not match the specified platform"):
            engine.history(upper.id, platform="s390x")


def test_steps_without_a_layer(tmp_path: Path, registry: RegistryServer) -> None:
    history = [
        {"created": "2024-01-02T03:04:05Z", "created_by": "ADD", "comment": "first"},
        {"created_by": "CMD", "empty_layer": True},
    ]
    push(registry, "history/empty:1", [archive({"a": b"123"})], config={"history": history})
    with engine_at(tmp_path) as engine:
        image = engine.pull(f"{registry.address}/history/empty:1").image
        top, low = engine.history(image.id)
        assert (top.image, top.created, top.size, top.created_by) == (image.id, 0.0, 0, "CMD")
        assert (low.image, low.created, low.size, low.comment) == (None, 1704164645.0, 3, "first")


def test_more_steps_than_layers(tmp_path: Path, registry: RegistryServer) -> None:
    push(registry, "history/lies:1", [archive({"a": b"1"})], config={"history": [{}, {}]})
    with engine_at(tmp_path) as engine:
        engine.pull(f"{registry.address}/history/lies:1")
        with pytest.raises(Corrupt, match="tells of more layers than it has"):
            engine.history(f"{registry.address}/history/lies:1")
