"""Test volumes as the engine makes, fills, mounts and removes them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.containers import Bench, image_tar
from tests.core.engine.workbench import archive

from sampan.engine.prune import Pruned
from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from sampan.model.container import ContainerSpec, Volume


def _volume(target: str, source: str = "", **more: Any) -> Volume:
    return Volume(kind="volume", target=target, source=source, **more)


def _names(bench: Bench, **filters: list[str]) -> list[str]:
    return [volume.name for volume in bench.engine.list_volumes(filters)]


def _where(bench: Bench, name: str) -> Path:
    return Path(bench.engine.inspect_volume(name)["Mountpoint"])


def test_a_named_volume_outlives_its_containers(any_storage: Bench) -> None:
    bench = any_storage
    bench.shell("echo content > /data/file", volumes=(_volume("/data", "data"),))
    assert bench.shell("cat /other/file", volumes=(_volume("/other", "data"),)) == "content\n"
    assert _names(bench) == ["data"]


def test_a_volume_is_filled_from_the_image_once(any_storage: Bench) -> None:
    bench = any_storage
    listed = bench.shell("ls /etc; stat -c %u:%g /home/alice", volumes=(_volume("/etc", "etc"),))
    assert "passwd" in listed
    (_where(bench, "etc") / "passwd").unlink()
    assert "passwd" not in os.listdir(_where(bench, "etc"))
    bench.create("true", volumes=(_volume("/etc", "etc"),))
    assert "passwd" not in os.listdir(_where(bench, "etc"))
    bench.create("true", volumes=(_volume("/etc", "empty", copy=False),))
    assert os.listdir(_where(bench, "empty")) == []


def test_owner_and_mode_of_the_images_directory_are_the_volumes(bench: Bench) -> None:
    bench.create("true", volumes=(_volume("/tmp", "tmp"),))
    assert os.stat(_where(bench, "tmp")).st_mode & 0o7777 == 0o1777


def test_volumes_of_the_image(bench: Bench) -> None:
    bench.engine.import_image(io.BytesIO(image_tar()), "withvolume:1", changes=("VOLUME /home/alice /data",))
    container = bench.engine.create(ContainerSpec(image="withvolume:1", command=("true",), network="none"))
    bench.made.append(container.id)
    assert [volume.target for volume in container.spec.volumes] == ["/home/alice", "/data"]
    assert all(volume.anonymous and len(volume.source) == 64 for volume in container.spec.volumes)
    assert len(_names(bench)) == 2
    bench.engine.remove(container.id, volumes=True)
    assert _names(bench) == []


def test_what_goes_with_a_container(bench: Bench) -> None:
    mounts = (_volume("/one"), _volume("/two", "named"))
    kept = bench.create("true", volumes=mounts)
    bench.engine.remove(kept.id)
    assert len(_names(bench)) == 2
    gone = bench.create("true", volumes=mounts)
    bench.engine.remove(gone.id, volumes=True)
    assert len(_names(bench)) == 2
    bench.run("true", volumes=mounts, auto_remove=True)
    bench.close()
    assert len(_names(bench)) == 2 and "named" in _names(bench)


def test_a_volume_that_is_used_stays(bench: Bench) -> None:
    container = bench.create("true", volumes=(_volume("/one", "one"),))
    with pytest.raises(Conflict, match=rf"remove one: volume is in use - \[{container.id}\]"):
        bench.engine.remove_volume("one")
    assert bench.engine.prune_volumes(everything=True) == Pruned([], 0)
    bench.engine.remove(container.id)
    bench.engine.remove_volume("one")
    with pytest.raises(NotFound, match="get one: no such volume"):
        bench.engine.remove_volume("one")


def test_the_volumes_of_another_container(bench: Bench) -> None:
    first = bench.create("true", volumes=(_volume("/one"), _volume("/two", "two"), Volume(kind="tmpfs", target="/t")))
    both = bench.create("true", volumes_from=(f"{first.name}:ro",), volumes=(_volume("/two", "own"),))
    assert [(v.target, v.read_only) for v in both.spec.volumes] == [("/two", False), ("/one", True)]
    assert both.spec.volumes[1].source == first.spec.volumes[0].source
    bench.engine.remove(first.id, volumes=True)
    assert both.spec.volumes[1].source in _names(bench)
    with pytest.raises(NotFound):
        bench.create("true", volumes_from=("nobody",))
    with pytest.raises(InvalidInput, match="invalid mode: x"):
        bench.create("true", volumes_from=(f"{both.name}:x",))


def test_a_part_of_a_volume_is_mounted_and_no_link_leads_out(bench: Bench) -> None:
    bench.shell("mkdir -p /v/a/b && echo deep > /v/a/b/file && ln -s /etc /v/out", volumes=(_volume("/v", "parts"),))
    assert bench.shell("cat /w/file", volumes=(_volume("/w", "parts", subpath="a/b"),)) == "deep\n"
    with pytest.raises(NotFound, match="cannot access path out"):
        bench.start("true", volumes=(_volume("/w", "parts", subpath="out"),))


def test_a_driver_is_remembered(bench: Bench) -> None:
    assert bench.engine.create_volume("one").name == bench.engine.create_volume("one").name == "one"
    with pytest.raises(Conflict, match="volume name must be unique"):
        bench.engine.create_volume("one", driver="another")
    with pytest.raises(NotFound, match='error looking up volume plugin another: plugin "another" not found'):
        bench.engine.create_volume("two", driver="another")
    assert _names(bench) == ["one"]


def test_filters_and_prune(bench: Bench) -> None:
    engine = bench.engine
    engine.create_volume("labelled", labels={"key": "value"})
    named, unnamed = engine.create_volume("plain").name, engine.create_volume().name
    assert _names(bench, label=["key=value"]) == ["labelled"]
    assert _names(bench, name=["lai"]) == ["plain"]
    assert _names(bench, driver=["none"]) == []
    with pytest.raises(InvalidInput, match="invalid filter 'colour'"):
        _names(bench, colour=["red"])
    (_where(bench, unnamed) / "file").write_bytes(b"x" * 1000)
    assert engine.prune_volumes() == Pruned([unnamed], 1000)
    assert engine.prune_volumes({"label!": ["key"]}, everything=True) == Pruned([named], 0)
    assert _names(bench) == ["labelled"]


def test_a_container_that_cannot_be_made_leaves_no_volume(bench: Bench) -> None:
    bench.create("true", name="taken")
    with pytest.raises(AlreadyExists):
        bench.create("true", name="taken", volumes=(_volume("/new"),))
    with pytest.raises(InvalidInput):
        bench.create("true", volumes=(_volume("/good", "good"), _volume("/bad", "a/b")))
    assert _names(bench) == []


def test_a_link_in_the_image_does_not_lead_the_copy_out(bench: Bench) -> None:
    layer = archive({"bin": None, "inside": None, "inside/file": b"within"})
    bench.engine.import_image(io.BytesIO(layer), "plain:1", changes=('CMD ["/bin/sh"]',))
    container = bench.engine.create(
        ContainerSpec(image="plain:1", network="none", volumes=(_volume("/../../inside", "data"),))
    )
    bench.made.append(container.id)
    assert (_where(bench, "data") / "file").read_bytes() == b"within"
