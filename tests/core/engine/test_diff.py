"""Tests of what a container is found to have changed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench
from tests.core.engine.workbench import archive

from sampan.errors import Conflict, NotFound
from sampan.model.change import Change
from sampan.model.container import ContainerSpec, Status, Volume

SCRIPT = """
echo x > /tmp/new; mkdir /tmp/made; echo y > /tmp/made/inner; rm /etc/plain; echo z >> /etc/group; chmod 700 /home
"""
LISTED = [
    "C /etc", "C /etc/group", "D /etc/plain", "C /home", "C /tmp", "A /tmp/made", "A /tmp/made/inner", "A /tmp/new",
]


def listed(changes: list[Change]) -> list[str]:
    return [f"{change.kind} {change.path.decode()}" for change in changes]


def test_before_while_and_after_it_runs(any_storage: Bench) -> None:
    engine = any_storage.engine
    container = any_storage.create("sh", "-ec", f"{SCRIPT} echo done; sleep 100")
    assert engine.diff(container.id) == []
    with any_storage.engine.start(container.id, attach=True) as attachment:  # type: ignore[union-attr]  # attached
        attachment.receive()
        assert listed(engine.diff(container.id)) == LISTED
    engine.stop(container.id, timeout=0)
    assert listed(engine.diff(container.id)) == LISTED


def test_on_either_runtime_mount_points_of_every_container_are_not_told_of(any_runtime: Bench) -> None:
    engine = any_runtime.engine
    any_runtime.run("true", name="one")
    assert engine.diff("one") == []
    any_runtime.run("sh", "-c", "echo x > /etc/hosts; echo y > /dev/y; echo z > /etc/z", name="three")
    assert listed(engine.diff("three")) == ["C /etc", "A /etc/z"]


def test_mount_points_where_the_image_has_nothing(any_storage: Bench) -> None:
    engine = any_storage.engine
    busybox = Path("/bin/busybox").read_bytes()
    engine.import_image(io.BytesIO(archive({"bin/busybox": busybox})), "bare")
    for number, (command, changed) in enumerate({
        "true": [], "touch /etc/x": ["C /etc", "A /etc/x"],
        "touch /dev/x /proc/x": [], "touch /devil": ["A /devil"],
    }.items()):
        container = engine.create(ContainerSpec(
            image="bare", command=("/bin/busybox", *command.split()), network="none", name=f"bare{number}"))
        any_storage.made.append(container.id)
        engine.start(container.id)
        engine.wait(container.id)
        assert listed(engine.diff(container.id)) == changed


def test_a_mode_that_was_changed_above_mount_points(any_storage: Bench) -> None:
    any_storage.shell("chmod 700 /etc", name="one")
    assert listed(any_storage.engine.diff("one")) == ["C /etc"]


def test_what_is_mounted_is_told_of_as_a_mount_point(any_storage: Bench, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    bind = Volume(kind="bind", target="/mnt/there", source=str(tmp_path / "there"))
    volumes = (bind, Volume(kind="tmpfs", target="/memory"))
    any_storage.run("sh", "-c", "echo x > /mnt/there/x; echo y > /memory/y", name="one", volumes=volumes)
    assert listed(any_storage.engine.diff("one")) == ["A /memory", "A /mnt", "A /mnt/there"]


def test_a_directory_comes_directly_before_what_is_in_it(bench: Bench) -> None:
    bench.run("sh", "-ec", "mkdir /tmp/a /tmp/a-b; echo > /tmp/a/x; echo > /tmp/a-b/x", name="one")
    assert listed(bench.engine.diff("one")) == ["C /tmp", "A /tmp/a", "A /tmp/a/x", "A /tmp/a-b", "A /tmp/a-b/x"]


def test_what_has_no_changes_to_tell(bench: Bench) -> None:
    with pytest.raises(NotFound, match="No such container: nobody"):
        bench.engine.diff("nobody")
    container = bench.create("true")
    bench.engine.store.containers.update(container.id, status=Status.REMOVING)
    with pytest.raises(Conflict):
        bench.engine.diff(container.id)
    bench.engine.store.containers.update(container.id, status=Status.CREATED)


def test_a_tree_that_changes_meanwhile(any_storage: Bench) -> None:
    script = "while :; do mkdir -p /tmp/a/b/c; echo x > /tmp/a/b/c/d; rm -r /tmp/a; echo y > /tmp/a; rm /tmp/a; done"
    container = any_storage.start("sh", "-c", script)
    for _ in range(50):
        assert all(change.path.startswith(b"/tmp") for change in any_storage.engine.diff(container.id))
    for _ in range(5):
        any_storage.engine.commit(container.id, "moving:1", pause=False)
        any_storage.engine.export(container.id, io.BytesIO())
