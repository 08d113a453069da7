"""Tests of putting containers on record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.core.engine.containers import IMAGE, Bench, bench_at, leftovers

from sampan.errors import NotFound, OutOfSpace
from sampan.kernel import mount
from sampan.model import platform
from sampan.model.container import ContainerSpec, Status


def test_the_record_is_complete(any_storage: Bench) -> None:
    container = any_storage.create("sh", "-c", "true", name="/named")
    assert (container.name, container.path, container.args) == ("named", "sh", ("-c", "true"))
    assert container.status is Status.CREATED and len(container.id) == 64 and container.created
    settings = any_storage.engine.settings
    assert (container.storage_driver, container.runtime, container.log_driver, container.network_driver) == (
        settings.storage[0], "native", "json-file", "none")
    assert container.image_id == any_storage.engine.image(IMAGE).id
    assert any_storage.engine.container(container.short_id) == container
    assert any_storage.engine.container("named") == container
    assert os.stat(any_storage.engine.layout.container(container.id)).st_mode & 0o777 == 0o700


def test_names_are_made_up_and_differ(bench: Bench) -> None:
    names = {bench.create("true").name for _ in range(5)}
    assert len(names) == 5 and all("_" in name for name in names)


def test_what_fails_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(NotFound, match="No such image: nothing"):
        bench.engine.create(ContainerSpec(image="nothing", command=("true",)))
    assert bench.engine.containers(all=True) == []
    assert leftovers(bench.engine, bench.made) == []


def test_an_image_for_another_platform_is_not_taken_for_the_one_asked_for(bench: Bench) -> None:
    with pytest.raises(NotFound, match="does not match the specified platform: wanted linux/s390x, actual: linux/"):
        bench.create("true", platform="linux/s390x")
    bench.create("true", platform=str(platform.host()))


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    mount.mount("tmpfs", "tmpfs", str(tmp_path), ("size=24m",))
    try:
        with bench_at(tmp_path, "vfs") as bench:
            created = []
            with pytest.raises(OutOfSpace):
                while len(created) < 20:
                    created.append(bench.create("true").id)
            assert sorted(one.id for one in bench.engine.containers(all=True)) == sorted(created)
            assert leftovers(bench.engine, []) == []
            bench.engine.remove(created.pop())
            bench.create("true")
    finally:
        mount.unmount(str(tmp_path))


def test_init(bench: Bench) -> None:
    container = bench.create("sh", "-c", "exit 3", init=True)
    assert (container.path, container.args) == ("sh", ("-c", "exit 3"))
    bench.engine.start(container.id)
    assert bench.engine.wait(container.id) == 3


def test_networks(bench: Bench) -> None:
    default = bench.create("true", network="default")
    assert (default.spec.network, default.network_driver) == ("bridge", "bridge")
    assert bench.create("true", network="").spec.network == "bridge"
    assert bench.create("true", network="host").network_driver == "host"
    assert [network.name for network in bench.engine.store.networks.all()] == ["bridge", "host"]
