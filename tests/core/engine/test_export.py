from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from tests.core.engine.workbench import DRIVERS, archive, engine_at, push
from tests.core.engine.workbench import tree as contents
from tests.services.registry import RegistryServer

from sampan.engine import unpack
from sampan.errors import Conflict, NotFound
from sampan.model.container import Container, ContainerSpec, Status, Volume
from sampan.naive import mounted


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_stopped_containers_tree(tmp_path: Path, driver: str) -> None:
    with engine_at(tmp_path, driver) as engine:
        image = engine.import_image(io.BytesIO(archive({"etc": None, "etc/old": b"old"})), "x")
        container = Container(
            id="feed" * 16, name="it", image_id=image.id, spec=ContainerSpec(image="x"), path="x", created=1.0,
            storage_driver=driver, runtime="r", log_driver="l", network_driver="n", status=Status.EXITED,
        )
        engine.store.containers.add(container)
        engine.storage().prepare(container.id, unpack.ensure_unpacked(engine, image, driver))
        with mounted(engine.storage().mounts(container.id)) as tree:
            Path(tree, "etc/new").write_bytes(b"new")
        out = io.BytesIO()
        engine.export("it", out)
        out.seek(0)
        with tarfile.open(fileobj=out) as tar:
            names = {member.name.removeprefix("./").rstrip("/") for member in tar}
            assert {"etc/old", "etc/new"} <= names
        out.seek(0)
        again = engine.import_image(out, "again")
        assert again.size == 6


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        with pytest.raises(NotFound, match="No such container: nobody"):
            engine.export("nobody", io.BytesIO())
        image = engine.import_image(io.BytesIO(archive({"a": b""})), "x")
        engine.store.containers.add(Container(
            id="feed" * 16, name="it", image_id=image.id, spec=ContainerSpec(image="x"), path="x", created=1.0,
            storage_driver="overlay2", runtime="r", log_driver="l", network_driver="n", status=Status.REMOVING,
        ))
        with pytest.raises(Conflict, match="container it is removing"):
            engine.export("it", io.BytesIO())


@pytest.mark.parametrize("driver", DRIVERS)
def test_deletions_of_what_never_was(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    """An overlay lists them in a directory that no lower layer has, and says when asked that they are not there."""
    upper = archive({"d/.wh.ghost": b"", "d/e/.wh.ghost": b"", "d/e/b": b"b"})
    push(registry, "ghost:1", [archive({"a": b"a"}), upper])
    with engine_at(tmp_path, driver) as engine:
        engine.pull(f"{registry.address}/ghost:1")
        filled = Volume(kind="volume", target="/d", source="filled")
        container = engine.create(
            ContainerSpec(image=f"{registry.address}/ghost:1", command=("x",), network="none", volumes=(filled,)))
        assert engine.diff(container.id) == []
        with mounted(engine.storage().mounts(container.id)) as tree:
            engine.import_image(tree, "imported")
            Path(tree, "d/e/c").write_bytes(b"c")
        assert [change.path for change in engine.diff(container.id)] == [b"/d", b"/d/e", b"/d/e/c"]
        engine.commit(container.id, "committed")
        for kept, names in (("imported", {"a", "d/e/b"}), ("committed", {"a", "d/e/b", "d/e/c"})):
            assert set(contents(engine, kept)) == names
        engine.export(container.id, io.BytesIO())
        assert Path(engine.volumes("local").where("filled"), "e/b").read_bytes() == b"b"
