"""What goes when the unused goes, and how much room that makes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench
from tests.core.engine.workbench import archive, content, engine_at, stack
from tests.services.registry import RegistryServer

from sampan.engine.engine import Engine
from sampan.model.image import Image


def imported(engine: Engine, name: str = "", label: str = "") -> Image:
    changes = (f"LABEL {label}",) if label else ()
    return engine.import_image(io.BytesIO(archive({"a": os.urandom(4000)})), name, changes=changes)


def test_dangling_or_all(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        kept, dangling = imported(engine, "kept:1"), imported(engine)
        engine.tag("kept:1", "kept:2")
        pruned = engine.prune_images()
        assert pruned.gone[0] == f"Deleted: {dangling.id}"
        assert 8000 < pruned.freed < 20000  # as a layer and unpacked
        assert engine.prune_images().gone == []
        before = engine.disk_usage().image_bytes
        pruned = engine.prune_images(all=True)
        assert pruned.gone[:3] == ["Untagged: kept:1", "Untagged: kept:2", f"Deleted: {kept.id}"]
        assert pruned.freed == before
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_choices(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        one, two = imported(engine, label="a=b"), imported(engine, label="c=d")
        assert engine.prune_images(until=one.created - 1).gone == []
        assert engine.prune_images(labels=["a=x"]).gone == []
        assert engine.prune_images(without=["a=b"]).gone[0] == f"Deleted: {two.id}"
        assert engine.prune_images(labels=["a"], until=one.created).gone[0] == f"Deleted: {one.id}"


def test_a_line_of_images_goes_as_a_whole_or_stays(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        lower, middle, upper = stack(engine, registry, "prune/line")
        for number in (1, 2):
            engine.remove_image(f"{registry.address}/prune/line:{number}")
        assert engine.prune_images().gone == []
        gone = [line.split()[1] for line in engine.prune_images(all=True).gone if line.startswith("Deleted")]
        assert [one for one in gone if one in (lower.id, middle.id, upper.id)] == [upper.id, middle.id, lower.id]
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_containers_and_their_images(bench: Bench) -> None:
    engine = bench.engine
    running, ended = bench.start("sleep", "1000"), bench.create("dd", "if=/dev/zero", "of=/big", "bs=1000", "count=50")
    engine.tag("bb:1", "bb:2")
    engine.start(ended.id)
    engine.wait(ended.id)
    assert engine.container_size(engine.container(ended.id)).own == 50000
    assert engine.prune_images(all=True).gone == []
    assert engine.prune_containers(labels=["none"]).gone == []
    pruned = engine.prune_containers()
    assert (pruned.gone, pruned.freed) == ([ended.id], 50000)
    assert [container.id for container in engine.containers(all=True)] == [running.id]
    assert engine.prune_images(all=True).gone == []
    assert engine.image("bb:2").id == running.image_id


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_a_container_s_sizes(tmp_path: Path, driver: str) -> None:
    from tests.core.engine.containers import bench_at

    with bench_at(tmp_path, driver) as bench:
        image = bench.engine.image("bb:1")
        container = bench.create("true")
        size = bench.engine.container_size(container)
        assert (size.own, size.whole) == (0, image.size)
        assert bench.engine.inspect_container(container.id, size=True)["SizeRootFs"] == image.size
        assert "SizeRw" not in bench.engine.inspect_container(container.id)
