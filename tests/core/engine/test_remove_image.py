from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from tests.core.engine.containers import python
from tests.core.engine.workbench import DRIVERS, archive, content, engine_at, push, stack
from tests.services.registry import RegistryServer

from sampan.engine import collect, undo, unpack
from sampan.engine.engine import Engine
from sampan.errors import Conflict, NotFound
from sampan.model import reference as references
from sampan.model.container import Container, ContainerSpec, Status
from sampan.model.image import Image
from sampan.store import locks


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


@pytest.mark.parametrize("driver", DRIVERS)
def test_parents_without_a_use_go_too(tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    with engine_at(tmp_path, driver) as engine:
        lower, middle, upper = stack(engine, registry, f"rmi/parents-{driver}")
        chains = [chain for chain, _ in engine.store.layers.held(driver, upper.id)]
        name = f"{registry.address}/rmi/parents-{driver}"
        # A name goes, the image stays: another was committed from it.
        assert [line.split()[0] for line in engine.remove_image(f"{name}:2")] == ["Untagged:", "Untagged:"]
        for force in (False, True):
            with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images$"):
                engine.remove_image(middle.id, force=force)
        assert {image.id for image in engine.images()} == {lower.id, upper.id}
        assert {image.id for image in engine.images(all=True)} == {lower.id, middle.id, upper.id}
        assert engine.images({"dangling": ["true"]}, all=True) == []
        # The named one is where it ends.
        assert engine.remove_image(upper.id)[2:] == [
            f"Deleted: {upper.id}", f"Deleted: {chains[2]}", f"Deleted: {middle.id}", f"Deleted: {chains[1]}",
        ]
        assert engine.remove_image(f"{name}:1")[2:] == [f"Deleted: {lower.id}", f"Deleted: {chains[0]}"]
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_parents_stay_when_told_or_used(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        lower, middle, upper = stack(engine, registry, "rmi/stay")
        for number in (1, 2):
            engine.remove_image(f"{registry.address}/rmi/stay:{number}")
        engine.remove_image(upper.id, prune=False)
        assert {image.id for image in engine.images(all=True)} == {lower.id, middle.id}
        use(engine, lower, Status.EXITED)
        assert engine.remove_image(middle.id)[0] == f"Deleted: {middle.id}"
        assert [image.id for image in engine.images()] == [lower.id]


def test_a_kill_between_records_and_content_is_made_good(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        *_, upper = stack(engine, registry, "rmi/killed")
        for number in (1, 2):
            engine.remove_image(f"{registry.address}/rmi/killed:{number}")
        program = (
            "import os, sys; from sampan.engine import collect; from sampan.engine.engine import Engine;"
            "from sampan.config import Settings; collect.chains = lambda *_: os._exit(9);"
            "Engine(Settings(root=sys.argv[1], run_root=sys.argv[2], storage=('overlay2',))).remove_image(sys.argv[3])"
        )
        done = python(program, engine.layout.root, engine.layout.run_root, upper.id)
        assert done.wait(20) == 9
    with engine_at(tmp_path) as engine:
        assert {key: value for key, value in content(engine).items() if value} == {}


def test_for_a_platform(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        with pytest.raises(NotFound, match="wanted linux/s390x, actual: linux/amd64"):
            engine.remove_image("one:1", platforms=["linux/s390x"])
        assert engine.remove_image("one:1", platforms=["s390x", "amd64"])[1] == f"Deleted: {image.id}"


def test_two_at_once(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        program = (
            "import sys; from sampan.engine.engine import Engine; from sampan.config import Settings;"
            "from sampan.errors import NotFound\n"
            "try: print(len(Engine(Settings(root=sys.argv[1], run_root=sys.argv[2])).remove_image(sys.argv[3])))\n"
            "except NotFound as error: print(error)"
        )
        racers = [
            python(program, engine.layout.root, engine.layout.run_root, image.id, stdout=subprocess.PIPE)
            for _ in range(3)
        ]
        said = sorted(racer.communicate(timeout=20)[0].decode().strip() for racer in racers)
        assert said[0] == "3"
        assert all(words.startswith("No such image: ") for words in said[1:])
        assert {key: value for key, value in content(engine).items() if value} == {}

@pytest.mark.parametrize("fails", [False, True])
def test_what_is_leased_meanwhile_goes_with_the_lease(tmp_path: Path, fails: bool) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        unpack.ensure_unpacked(engine, image, "vfs")
        chains = [chain for chain, _ in engine.store.layers.held("vfs", image.id)]
        try:
            with engine.store.journal.operation("test", lambda action: undo.undo(engine, action)) as operation:
                operation.lease([*chains, image.id])
                engine.remove_image("one:1")
                assert engine.store.blobs.has(image.id)
                assert engine.store.layers.size(chains[0]) is not None
                if fails:
                    raise KeyError
        except KeyError:
            pass
        assert {key: value for key, value in content(engine).items() if value} == {}
        assert list(engine.storage("vfs").walk()) == []


def test_blobs_go_though_another_collector_holds_their_lock(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        with locks.exclusive(engine.layout, image.id):
            engine.remove_image("one:1")
            assert not engine.store.blobs.has(image.id)


def test_a_layer_that_was_not_recorded_goes_though_its_image_is_here(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = imported(engine, "one:1")
        ((chain, _),) = engine.store.layers.held("vfs", image.id)
        with engine.store.journal.operation("killed", lambda action: None) as operation:
            operation.plan("chains", "vfs", chain)  # what was planned by a command killed before it recorded
            engine.storage("vfs").prepare("x", None)
            engine.storage("vfs").commit("x", chain)
            collect.chains(engine, "vfs", [chain])
        assert list(engine.storage("vfs").walk()) == []
