"""Tests of images of many layers."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from tests.core.engine.containers import Bench, collect, image_tar
from tests.core.engine.workbench import archive, content, push, sha256
from tests.services.registry import RegistryServer

from sampan.engine.engine import Engine
from sampan.errors import Unsupported
from sampan.model.container import ContainerSpec

LAYERS = 127


def run(engine: Engine, image: str, command: str) -> tuple[str, bytes]:
    """Run a shell command on an image; return the container and what it printed."""
    container = engine.create(ContainerSpec(image=image, command=("sh", "-c", command), network="none"))
    with engine.start(container.id, attach=True) as attachment:  # type: ignore[union-attr]  # attached
        return container.id, collect(attachment)[0]


def test_a_deep_image_is_run_committed_and_carried_about(any_storage: Bench, registry: RegistryServer) -> None:
    engine, name = any_storage.engine, f"{registry.address}/deep"
    changes = [archive({f"f{number}": b"x", "same": b"%d" % number}) for number in range(1, LAYERS)]
    push(registry, "deep:1", [*changes, image_tar()])  # the large one highest: vfs copies each into all above it
    engine.pull(f"{name}:1")
    container, printed = run(engine, f"{name}:1", "cat same; echo more > new; ls / | grep -c ^f")
    assert printed == b"126126\n"
    engine.export(container, exported := io.BytesIO())
    with tarfile.open(fileobj=io.BytesIO(exported.getvalue())) as tar:
        assert f"f{LAYERS - 1}" in tar.getnames()
    assert [change.path for change in engine.diff(container)] == [b"/new"]
    image = engine.commit(container, f"{name}:2")
    engine.save([f"{name}:2"], saved := io.BytesIO())
    engine.remove(container)
    for one in engine.images():
        engine.remove_image(one.id, force=True)
    engine.load(io.BytesIO(saved.getvalue()))
    assert engine.image(f"{name}:2").id == image.id
    assert run(engine, f"{name}:2", "cat new")[1] == b"more\n"


def docker_archive(layers: int) -> io.BytesIO:
    """Return an archive of the image ``many``, of a busybox below a small layer again and again."""
    lowest, more = image_tar(), archive({"x": b"x"})
    diff_ids = [sha256(lowest), *[sha256(more)] * (layers - 1)]
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {"Config": "config", "RepoTags": ["many:1"], "Layers": ["lowest", *["more"] * (layers - 1)]}
    return io.BytesIO(archive({
        "lowest": lowest, "more": more, "config": json.dumps(config).encode(),
        "manifest.json": json.dumps([manifest]).encode(),
    }))


def test_more_layers_than_an_overlay_takes(bench: Bench) -> None:
    engine, most = bench.engine, 500
    before = content(engine)
    with pytest.raises(Unsupported, match="max depth exceeded"):
        engine.load(docker_archive(most + 1))
    assert content(engine) == before
    engine.load(docker_archive(most))
    before = content(engine)
    container, _ = run(engine, "many:1", "echo new > /new")
    with pytest.raises(Unsupported, match="max depth exceeded"):
        engine.commit(container, "more:1")
    engine.remove(container)
    assert content(engine) == before
