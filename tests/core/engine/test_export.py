from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from tests.core.engine.workbench import DRIVERS, archive, engine_at

from sampan.engine import unpack
from sampan.errors import Conflict, NotFound
from sampan.model.container import Container, ContainerSpec, Status
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
