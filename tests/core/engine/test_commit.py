"""Tests of images made of containers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import IMAGE, Bench, collect, eventually, python
from tests.core.engine.workbench import content

from sampan.engine import commit
from sampan.engine.engine import Engine
from sampan.errors import Conflict, InvalidInput, NotFound, Unsupported
from sampan.model.container import ContainerSpec, Status, Volume
from sampan.naive import mounted

CHANGED = """
echo new > /etc/new; rm -r /home/alice; mkdir /home/alice; echo z > /home/alice/z; rm /etc/plain; mkdir /etc/plain
rm -r /root; echo file > /root; ln /etc/new /etc/hard
mkfifo /fifo; mknod /node c 1 3; chmod 4711 /etc/passwd; touch -d 2001-02-03 /etc/new
"""
LOOK = """
for path in /etc/new /etc/hard /home/alice /home/alice/z /etc/plain /root /fifo /node /etc/passwd /etc/group; do
    stat -c '%n %F %a %s %t' $path; done
test /etc/new -ef /etc/hard && cat /etc/new /root; stat -c %Y /etc/new; ls -A /home/alice /etc/plain
"""


def documents(engine: Engine, name: str) -> tuple[dict, dict]:  # type: ignore[type-arg]  # as JSON has it
    image = engine.image(name)
    return tuple(json.loads(engine.store.blobs.read(digest)) for digest in (image.id, image.manifest))  # type: ignore[return-value]


def layer(engine: Engine, name: str) -> list[str]:
    """Return what the image's topmost layer lists."""
    blob = documents(engine, name)[1]["layers"][-1]
    with tarfile.open(engine.store.blobs.path(blob["digest"])) as tar:
        return tar.getnames()


def test_the_image_has_what_the_container_had(any_storage: Bench) -> None:
    engine = any_storage.engine
    before = any_storage.shell(CHANGED + LOOK, name="one")
    image = engine.commit("one", "made:1", author="Jo", message="why")
    container = engine.create(ContainerSpec(image="made:1", command=("sh", "-c", LOOK), network="none"))
    with engine.start(container.id, attach=True) as attachment:  # type: ignore[union-attr]  # attached
        assert collect(attachment)[0].decode() == before
    config, manifest = documents(engine, "made:1")
    assert image.parent == engine.image(IMAGE).id and image.size > engine.image(IMAGE).size
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) == 2
    assert config["author"] == "Jo"
    entry = config["history"][-1]
    assert (entry["author"], entry["comment"], entry["created_by"][:6]) == ("Jo", "why", "sh -ec")
    assert not any(name.startswith(("proc", "dev/", "etc/hosts")) for name in layer(engine, "made:1"))
    found = content(engine)
    assert found["journal"] == found["leases"] == found["temporary"] == found["locks"] == []


def test_attributes_and_mounts(any_storage: Bench, tmp_path: Path) -> None:
    engine = any_storage.engine
    volumes = (Volume(kind="bind", target="/mnt", source=str(tmp_path)), Volume(kind="tmpfs", target="/memory"))
    any_storage.shell("echo 1 > /mnt/file; echo 2 > /memory/file; echo 3 > /tmp/able", name="one", volumes=volumes)
    with mounted(engine.storage().mounts(engine.container("one").id)) as tree:
        capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
        os.setxattr(f"{tree}/tmp/able", "security.capability", capability)
        os.mknod(f"{tree}/tmp/socket", 0o140644)
    image = engine.commit("one")
    assert [name.strip("/") for name in layer(engine, image.id)] == ["memory", "mnt", "tmp", "tmp/able"]
    container = engine.create(ContainerSpec(image=image.id, command=("true",), network="none"))
    with mounted(engine.storage().mounts(container.id)) as tree:
        assert os.getxattr(f"{tree}/tmp/able", "security.capability") == capability
        assert os.listdir(f"{tree}/mnt") == os.listdir(f"{tree}/memory") == []


def test_without_changes_there_is_no_layer(bench: Bench) -> None:
    bench.create("sh", "-c", "echo hello", name="one")
    image = bench.engine.commit("one", "same:1", changes=("CMD true",))
    config, manifest = documents(bench.engine, "same:1")
    assert config["rootfs"] == documents(bench.engine, IMAGE)[0]["rootfs"]
    assert manifest["layers"] == documents(bench.engine, IMAGE)[1]["layers"]
    assert config["history"][-1] | {"created": ""} == {
        "created": "", "created_by": "sh -c echo hello", "empty_layer": True}
    assert image.size == bench.engine.image(IMAGE).size
    bench.engine.remove("one")
    bench.engine.remove_image("same:1")
    assert bench.engine.image(IMAGE)


def test_the_configuration_is_the_containers(bench: Bench) -> None:
    engine = bench.engine
    defaults = ("ENTRYPOINT [\"/bin/env\"]", "CMD [\"x\"]", "EXPOSE 80", "VOLUME /data", "HEALTHCHECK CMD true",
                "ENV A=1 B=1", "LABEL l=1", "ONBUILD USER x", "USER alice")
    engine.import_image(io.BytesIO(b"\0" * 1024), "base:1", changes=defaults)
    container = engine.create(ContainerSpec(
        image="base:1", command=("y",), env=("A=2", "C=2"), labels={"m": "2"}, workdir="/tmp", network="none",
        hostname="h", stop_signal="INT", stop_timeout=3))
    bench.made.append(container.id)
    engine.commit(container.id, "made:1", changes=("ENV D=$A", "EXPOSE 81/udp", "LABEL l=3"))
    config = documents(engine, "made:1")[0]["config"]
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["/bin/env"], ["y"], "alice")
    assert config["Env"] == ["A=2", "C=2", "B=1", "D=2"]
    assert config["Labels"] == {"l": "3", "m": "2"}
    assert config["ExposedPorts"] == {"80/tcp": {}, "81/udp": {}} and config["Volumes"] == {"/data": {}}
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"]}
    assert (config["WorkingDir"], config["Hostname"], config["Image"]) == ("/tmp", "h", "base:1")
    assert (config["StopSignal"], config["StopTimeout"], config["OnBuild"]) == ("INT", 3, None)
    before = documents(engine, "made:1")[0]["container_config"]
    assert before["Env"] == ["A=2", "C=2", "B=1"] and before["Labels"] == {"l": "1", "m": "2"}
    engine.commit(container.id, "made:2", changes=("ENTRYPOINT [\"z\"]",))
    config = documents(engine, "made:2")[0]["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["z"], None)


def test_a_history_that_does_not_tell_of_every_layer_is_made_to_fit() -> None:
    assert commit._history({}, 2) == [{}, {}]
    told = [{"created_by": "x"}, {"created_by": "y", "empty_layer": True}]
    assert commit._history({"history": told}, 1) == told


@pytest.mark.parametrize("pause", [True, False])
def test_a_running_container_stands_still_meanwhile(any_runtime: Bench, pause: bool) -> None:
    engine = any_runtime.engine
    container = any_runtime.start("sh", "-c", "echo x > /tmp/x; sleep 100")
    eventually(lambda: bool(engine.diff(container.id)))
    engine.commit(container.id, pause=pause)
    assert engine.container(container.id).status is Status.RUNNING
    assert ('"pause"' in Path(engine.layout.events).read_text()) is pause
    engine.pause(container.id)
    engine.commit(container.id)
    assert engine.container(container.id).status is Status.PAUSED
    engine.unpause(container.id)


def test_it_goes_on_after_a_failure(bench: Bench) -> None:
    container = bench.start("sleep", "100")

    class Broken:
        def __getattr__(self, name: str) -> object:
            raise Unsupported("no layers today")

    bench.engine._storage["overlay2"] = Broken()  # type: ignore[assignment]  # a driver that fails
    with pytest.raises(Unsupported, match="no layers today"):
        bench.engine.commit(container.id)
    del bench.engine._storage["overlay2"]
    assert bench.engine.container(container.id).status is Status.RUNNING


_KILLED = """
import os, signal, sys, msgspec
from sampan.config import Settings
from sampan.engine import diff
from sampan.engine.engine import Engine
diff.changes = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
Engine(msgspec.json.decode(sys.argv[1], type=Settings)).commit("one")
"""


def test_it_goes_on_after_the_command_was_killed(any_runtime: Bench) -> None:
    engine = any_runtime.engine
    container = any_runtime.start("sleep", "100", name="one")
    command = python(_KILLED, msgspec.json.encode(engine.settings).decode(), stdout=subprocess.PIPE)
    assert command.wait() == -9
    assert command.stdout is not None
    command.stdout.close()
    assert engine.container(container.id).status is Status.PAUSED
    with Engine(engine.settings) as following:
        assert following.container(container.id).status is Status.RUNNING


def test_what_cannot_be_committed(bench: Bench) -> None:
    engine = bench.engine
    container = bench.create("true")
    for name, message in {
        "UPPER": "must be lowercase", f"x@sha256:{'0' * 64}": "refusing to create a tag with a digest reference",
    }.items():
        with pytest.raises(InvalidInput, match=message):
            engine.commit(container.id, name)
    with pytest.raises(InvalidInput, match="run is not a valid change command"):
        engine.commit(container.id, changes=("RUN x",))
    with pytest.raises(NotFound, match="No such container: nobody"):
        engine.commit("nobody")
    engine.store.containers.update(container.id, status=Status.REMOVING)
    with pytest.raises(Conflict, match="is removing"):
        engine.commit(container.id)
    engine.store.containers.update(container.id, status=Status.CREATED)
    assert len(engine.images()) == 1
