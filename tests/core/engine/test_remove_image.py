from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.core.engine.workbench import DRIVERS, archive, content, engine_at, push
from tests.services.registry import RegistryServer

from sampan.engine import unpack
from sampan.engine.engine import Engine
from sampan.errors import Conflict, NotFound
from sampan.model import reference as references
from sampan.model.container import Container, ContainerSpec, Status
from sampan.model.image import Image


def imported(engine: Engine, name: str = "") -> Image:
    return engine.import_image(io.BytesIO(archive({"a": name.encode()})), name)


def tag(engine: Engine, image: Image, name: str) -> None:
    with engine.store.database.transaction() as cursor:
        engine.store.images.tag(cursor, references.parse(name).with_default_tag(), image.id)


def use(engine: Engine, image: Image, status: Status) -> Container:
    driver = engine.storage_name()
    container = Container(
        id="c0ffee" + "0" * 58, name="user", image_id=image.id, spec=ContainerSpec(image="x"), path="x", created=1.0,
        storage_driver=driver, runtime="r", log_driver="l", network_driver="n", status=status,
    )
    engine.store.containers.add(container)
    engine.storage().prepare(container.id, unpack.ensure_unpacked(engine, image, driver))
    return container


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_last_name_takes_the_image(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    layers = [archive({"one": b"1"}), archive({"two": b"2"})]
    digest = push(registry, f"rmi/last-{driver}:1", layers)
    name = f"{registry.address}/rmi/last-{driver}"
    with engine_at(tmp_path, driver) as engine:
        image = engine.pull(f"{name}:1").image
        chains = [chain for chain, _ in engine.store.layers.held(driver, image.id)]
        assert engine.remove_image(f"{name}:1") == [
            f"Untagged: {name}:1", f"Untagged: {name}@{digest}", f"Deleted: {image.id}",
            f"Deleted: {chains[1]}", f"Deleted: {chains[0]}",
        ]
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_other_names_keep_it(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        tag(engine, image, "two")
        assert engine.remove_image("one:1") == ["Untagged: one:1"]
        assert engine.image("two").id == image.id
        with pytest.raises(NotFound, match="No such image: one:1"):
            engine.remove_image("one:1")


def test_by_id(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        tag(engine, image, "two:1")
        with pytest.raises(Conflict) as caught:
            engine.remove_image(image.short_id)
        assert caught.value.message == (
            f"conflict: unable to delete {image.short_id} (must be forced) - "
            "image is referenced in multiple repositories"
        )
        lines = engine.remove_image(image.short_id, force=True)
        assert lines[:3] == ["Untagged: one:1", "Untagged: two:1", f"Deleted: {image.id}"]
        dangling = imported(engine)
        assert engine.remove_image(dangling.id)[0] == f"Deleted: {dangling.id}"
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_layers_that_another_image_needs_stay(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        one, two = imported(engine), imported(engine)
        assert engine.remove_image(one.id) == [f"Deleted: {one.id}"]
        assert len(content(engine)["snapshots"]) == 1
        assert len(engine.remove_image(two.id)) == 2


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_stopped_container_has_to_be_overruled(tmp_path: Path, driver: str) -> None:
    with engine_at(tmp_path, driver) as engine:
        image = imported(engine, "used:1")
        use(engine, image, Status.EXITED)
        with pytest.raises(Conflict) as caught:
            engine.remove_image("used:1")
        assert caught.value.message == (
            'conflict: unable to remove repository reference "used:1" (must force) - '
            f"container c0ffee000000 is using its referenced image {image.short_id}"
        )
        with pytest.raises(Conflict, match="image is being used by stopped container c0ffee000000"):
            engine.remove_image(image.id)
        lines = engine.remove_image("used:1", force=True)
        assert lines[:2] == ["Untagged: used:1", f"Deleted: {image.id}"]


def test_a_running_container_cannot_be_overruled(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "used:1")
        use(engine, image, Status.RUNNING)
        with pytest.raises(Conflict) as caught:
            engine.remove_image(image.id, force=True)
        assert caught.value.message == (
            f"conflict: unable to delete {image.short_id} (cannot be forced) - "
            "image is being used by running container c0ffee000000"
        )
        assert engine.remove_image("used:1", force=True) == ["Untagged: used:1"]
        assert engine.image(image.id).tags == ()
        engine.store.containers.update("c0ffee" + "0" * 58, status=Status.EXITED)
