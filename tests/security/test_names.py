"""Names, ids, tags and labels that were joined into paths unchecked reached files outside of the engine's root."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.core.engine.containers import IMAGE, Bench

from sampan.engine.engine import Engine
from sampan.errors import SampanError
from sampan.model.container import ContainerSpec, Volume

HOSTILE = (
    "../x", "../../../../../../x", "a/b", "/x", "..", ".", "", "a\0b", "a\nb", "a b", "a\x1b[2Jb", "x" * 5000, "-x",
    "%2e%2e/x", "x/../../y", "\udcff", "é/..", "sha256:../../x", "sha256:" + "0" * 63, "@", ":", "a:b:c", "*",
    "$(touch x)",
)  # fmt: skip


def _volume(name: str) -> ContainerSpec:
    return ContainerSpec(
        image=IMAGE, command=("true",), network="none", volumes=(Volume(kind="volume", source=name, target="/v"),))


ENTRIES: dict[str, Callable[[Engine, str], object]] = {
    "a container's name": lambda engine, name: engine.create(
        ContainerSpec(image=IMAGE, command=("true",), network="none", name=name)),
    "a container": lambda engine, name: engine.start(name),
    "a container to inspect": lambda engine, name: engine.inspect_container(name),
    "a container to remove": lambda engine, name: engine.remove(name, force=True),
    "a new name": lambda engine, name: engine.rename("kept", name),
    "an image": lambda engine, name: engine.create(ContainerSpec(image=name, command=("true",))),
    "an image to inspect": lambda engine, name: engine.inspect_image(name),
    "a tag": lambda engine, name: engine.tag(IMAGE, name),
    "a network": lambda engine, name: engine.create(ContainerSpec(image=IMAGE, command=("true",), network=name)),
    "a runtime": lambda engine, name: engine.start(engine.create(
        ContainerSpec(image=IMAGE, command=("true",), network="none", runtime=name)).id),
    "a storage driver": lambda engine, name: engine.create(
        ContainerSpec(image=IMAGE, command=("true",), network="none", storage_driver=name)),
    "a log driver": lambda engine, name: engine.start(engine.create(
        ContainerSpec(image=IMAGE, command=("true",), network="none", log_driver=name)).id),
    "a volume": lambda engine, name: engine.create(_volume(name)),
    "a volume to make": lambda engine, name: engine.create_volume(name),
    "a volume to remove": lambda engine, name: engine.remove_volume(name),
    "a control group's parent": lambda engine, name: engine.create(
        ContainerSpec(image=IMAGE, command=("true",), network="none", cgroup_parent=name)),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_hostile_names(bench: Bench, tmp_path: Path, entry: str) -> None:
    bench.create("true", name="kept")
    before = _paths(tmp_path)
    for name in HOSTILE:
        try:
            ENTRIES[entry](bench.engine, name)
        except SampanError as error:
            # What the caller's own name brings in, the command line shows as a space.
            assert len(error.message.replace(name, "").splitlines()) <= 1, (name, error)
    root, run_root = bench.engine.layout.root, bench.engine.layout.run_root
    made = _paths(tmp_path) - before
    assert [path for path in made if not path.startswith((f"{root}/", f"{run_root}/"))] == []
    assert sorted(os.listdir(tmp_path)) == sorted({Path(root).name, Path(run_root).name})
    assert not [container.name for container in bench.engine.containers(all=True) if "/" in container.name]


def _paths(top: Path) -> set[str]:
    # Runs that are just ending take directories away meanwhile, which os.walk does not mind.
    return {os.path.join(where, name) for where, directories, files in os.walk(top) for name in (*directories, *files)}
