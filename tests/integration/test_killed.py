"""Tests that nothing stays of what was killed: monitors, commands at any moment, the whole machine."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import (
    IMAGE,
    Bench,
    bench_at,
    eventually,
    kill_after,
    leftovers,
    processes_with,
    python,
)
from tests.core.engine.workbench import content

from sampan.engine.engine import Engine
from sampan.model.container import Container, ContainerSpec, Status, Volume
from sampan.store import owner

_COMMAND = """
import sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.model.container import ContainerSpec
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
print("go", flush=True)
verb, name = sys.argv[2:]
if verb == "create":
    engine.create(ContainerSpec(image="bb:1", command=("sleep", "100"), name=name, network="bridge"))
elif verb == "start":
    engine.start(name)
elif verb == "stop":
    engine.stop(name, timeout=0)
elif verb == "remove":
    engine.remove(name, force=True)
elif verb == "restart":
    engine.restart(name, timeout=0)
elif verb == "pause":
    engine.pause(name)
elif verb == "exec":
    from sampan.contracts.runtime import Stdio
    from sampan.engine.exec_ import ExecRequest
    engine.exec(name, ExecRequest(command=("sleep", "100")), Stdio()).wait()
elif verb == "commit":
    engine.commit(name, "made:1")
elif verb == "import":
    engine.import_image("/usr/share/doc", "made:1")
elif verb == "run":
    container = engine.create(
        ContainerSpec(image="bb:1", command=("usleep", "30000"), name=name, network="bridge", auto_remove=True))
    engine.start(container.id, attach=True).receive()
"""

_DYING = """
import os, sys, msgspec
from sampan.config import Settings
from sampan.engine import bundle
from sampan.engine.engine import Engine
from sampan.errors import SampanError
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
moment, name = sys.argv[2:]

def die(*_):
    os.kill(os.getpid(), 9)

if moment == "before it runs":
    bundle.Draft = die
else:
    engine.plugins.container_exited = die
try:
    with engine.start(name, attach=True) as attachment:
        while attachment.receive() is not None:
            pass
        assert attachment.exit_code is None
except SampanError as error:
    assert "ended before it started" in error.message
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as made:
        yield made


def _kill_monitor(container: Container) -> None:
    os.kill(owner.pid_of(container.monitor), signal.SIGKILL)
    eventually(lambda: not owner.alive(container.monitor))


@pytest.mark.parametrize("runtime", ["native", "oci"])
def test_a_killed_monitor_takes_the_container_along(bench: Bench, runtime: str) -> None:
    marker = f"1{random.randrange(10**6):06}"
    container = bench.start("sh", "-c", f"sleep {marker} & sleep {marker}", network="bridge", runtime=runtime)
    (endpoint,) = container.endpoints
    _kill_monitor(container)
    ended = bench.engine.container(container.id)
    assert (ended.status, ended.exit_code, ended.pid, ended.monitor) == (Status.EXITED, 137, 0, "")
    assert ended.error == "the monitor was killed" and ended.finished
    assert leftovers(bench.engine, bench.made) == []
    eventually(lambda: processes_with(marker) == [])
    eventually(lambda: not os.path.exists(f"/sys/class/net/{endpoint.host_interface}"))
    bench.engine.start(container.id)
    assert bench.engine.container(container.id).alive


def test_everyone_who_asks_learns_of_a_killed_monitor(bench: Bench) -> None:
    containers = [bench.start("sleep", "100", name=name) for name in ("one", "two")]
    attachment = bench.engine.attach("one")
    for container in containers:
        _kill_monitor(container)
    with attachment:
        assert attachment.receive() is None and attachment.exit_code is None
    assert bench.engine.wait("one") == 137
    assert [one.status for one in bench.engine.containers(all=True)] == [Status.EXITED] * 2
    assert bench.engine.containers() == []


def test_a_killed_monitor_of_a_container_to_be_removed(bench: Bench) -> None:
    container = bench.start("sleep", "100", auto_remove=True, network="bridge")
    _kill_monitor(container)
    assert bench.engine.containers(all=True) == []
    assert leftovers(bench.engine, bench.made) == []


@pytest.mark.parametrize("moment", ["before it runs", "before it is removed"])
def test_a_monitor_that_dies_with_a_container_to_be_removed(bench: Bench, moment: str) -> None:
    container = bench.create("true", auto_remove=True, volumes=(Volume(kind="volume", target="/v"),))
    settings = msgspec.json.encode(bench.engine.settings).decode()
    assert python(_DYING, settings, moment, container.id).wait(20) == 0
    with Engine(bench.engine.settings) as fresh:
        assert fresh.containers(all=True) == fresh.list_volumes() == []
        assert leftovers(fresh, bench.made) == []


def test_removing_by_force_after_the_monitor_was_killed(bench: Bench) -> None:
    container = bench.start("sleep", "100", network="bridge")
    _kill_monitor(container)
    bench.engine.remove(container.id, force=True)
    assert bench.engine.containers(all=True) == []


def test_the_monitor_outlives_other_signals(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTSTP):
        os.kill(owner.pid_of(container.monitor), number)
    time.sleep(0.05)
    assert owner.alive(container.monitor) and bench.engine.container(container.id).alive


def test_a_reboot(bench: Bench) -> None:
    container = bench.start("sleep", "100", network="bridge")
    fresh = bench.create("true", name="fresh")
    engine = bench.engine
    boot = owner.boot_of(container.monitor)
    # What a reboot does: the processes are gone, so is the run root, and tokens are of another boot.
    _kill_monitor(container)
    eventually(lambda: not os.path.exists(f"/proc/{container.pid}"))
    engine.runtime(container.runtime).delete(container.id, force=True)
    engine.store.containers.update(container.id, monitor=container.monitor.replace(boot, "0" * len(boot)))
    with engine.store.database.transaction() as cursor:
        note = ("start-0", owner.current().replace(boot, "0" * len(boot)), f'["running",["{fresh.id}"]]'.encode())
        cursor.execute("INSERT INTO journal (operation, owner, action) VALUES (?, ?, ?)", note)
    engine.close()
    subprocess.run(["rm", "-rf", engine.layout.run_root], check=True)
    ended = engine.container(container.id)
    assert (ended.status, ended.exit_code, ended.error) == (Status.EXITED, 255, "")
    assert leftovers(engine, bench.made) == []
    engine.start(container.id)
    assert engine.container(container.id).alive


@pytest.mark.parametrize("runtime", ["native", "oci"])
def test_a_run_root_that_is_wiped_beneath_what_runs(bench: Bench, runtime: str) -> None:
    marker = f"1{random.randrange(10**6):06}"
    engine = bench.engine
    one = bench.start("sleep", marker, network="bridge", runtime=runtime)
    two = bench.start("sh", "-c", f"sleep {marker} & sleep {marker}", pid_mode="host", runtime=runtime)
    engine.pause(two.id)
    engine.close()
    subprocess.run(["rm", "-rf", engine.layout.run_root], check=True)
    engine.stop(one.id)
    for container in (one, two):
        ended = engine.container(container.id)
        assert (ended.status, ended.exit_code, ended.monitor) == (Status.EXITED, 137, "")
    assert processes_with(marker) == []
    assert leftovers(engine, bench.made) == []
    engine.start(one.id)
    assert engine.container(one.id).alive


def test_a_run_that_ends_after_its_run_root_was_wiped(bench: Bench) -> None:
    container = bench.start("sleep", "100", network="bridge")
    subprocess.run(["rm", "-rf", bench.engine.layout.run_root], check=True)
    os.kill(container.pid, signal.SIGKILL)
    eventually(lambda: bench.engine.store.containers.get(container.id).status is Status.EXITED)
    assert leftovers(bench.engine, bench.made) == []


@pytest.mark.parametrize("verb", ["exec", "restart", "pause"])
def test_commands_on_what_runs_killed_at_any_moment(bench: Bench, verb: str) -> None:
    settings = msgspec.json.encode(bench.engine.settings).decode()
    moments = random.Random(verb)
    for turn in range(6):
        victim = bench.start("sleep", "100", name="victim")
        kill_after(moments.random() * 0.1, _COMMAND, settings, verb, "victim")
        eventually(lambda: _settled(bench))
        with Engine(bench.engine.settings) as engine:
            found = engine.container(victim.id)
            whole = {"exec": (Status.RUNNING,), "pause": (Status.RUNNING, Status.PAUSED)}
            assert found.status in whole.get(verb, (Status.RUNNING, Status.EXITED)), turn
            if found.status is Status.PAUSED:
                engine.unpause("victim")
            if verb == "exec":  # which leaves a process behind, as with Docker, and nothing that holds the container
                assert set(engine.runtime(found.runtime).pids(found.id)) >= {found.pid}
            engine.remove("victim", force=True)
            assert leftovers(engine, bench.made) == [], turn


@pytest.mark.parametrize("verb", ["create", "start", "stop", "remove", "run"])
def test_commands_killed_at_any_moment(bench: Bench, verb: str) -> None:
    settings = msgspec.json.encode(bench.engine.settings).decode()
    moments = random.Random(verb)
    for turn in range(8):
        _prepare(bench.engine, verb)
        kill_after(moments.random() * 0.1, _COMMAND, settings, verb, "victim")
        _check(bench, turn)


@pytest.mark.parametrize("verb", ["commit", "import"])
def test_images_in_the_making_killed_at_any_moment(bench: Bench, verb: str) -> None:
    engine = bench.engine
    settings = msgspec.json.encode(engine.settings).decode()
    script = "for n in $(seq 300); do echo $n > /tmp/$n; done; touch /tmp/done; sleep 100"
    victim = bench.start("sh", "-c", script, name="victim")
    eventually(lambda: any(change.path == b"/tmp/done" for change in engine.diff(victim.id)))
    before = _images(engine)
    moments = random.Random(verb)
    for turn in range(8):
        kill_after(moments.random() * 0.3, _COMMAND, settings, verb, "victim")
        with Engine(engine.settings) as fresh:
            assert fresh.container("victim").status is Status.RUNNING, turn
            assert leftovers(fresh, bench.made) == [], turn
            if len(fresh.images()) > 1:
                fresh.remove_image("made:1")
        assert _images(engine) == before, turn


def _images(engine: Engine) -> object:
    """Return all there is of images, on record and on disk."""
    kinds = ("images", "tags", "image_blobs", "image_layers", "layers", "blobs", "snapshots")
    found = content(engine)
    return {kind: found[kind] for kind in kinds}


def _prepare(engine: Engine, verb: str) -> None:
    if verb in ("start", "stop", "remove"):
        engine.create(ContainerSpec(image=IMAGE, command=("sleep", "100"), name="victim", network="bridge"))
    if verb in ("stop", "remove"):
        engine.start("victim")


def _check(bench: Bench, turn: int) -> None:
    """What a new command finds must be a whole state, and the name must be free after a removal."""
    eventually(lambda: _settled(bench))
    with Engine(bench.engine.settings) as engine:
        for container in engine.containers(all=True):
            bench.made.append(container.id)
            assert container.status in (Status.CREATED, Status.RUNNING, Status.EXITED), turn
            engine.remove(container.id, force=True)
        engine.close()
        eventually(lambda: not engine.containers(all=True))
        assert leftovers(engine, bench.made) == [], turn
        engine.create(ContainerSpec(image=IMAGE, command=("true",), name="victim", network="none"))
        engine.remove("victim")


def _settled(bench: Bench) -> bool:
    """Whether no monitor is on its way up or down: those are not killed with the command."""
    return not any(
        container.monitor and not container.alive and owner.alive(container.monitor)
        for container in bench.engine.store.containers.all()
    )


def test_monitors_killed_while_they_build(bench: Bench) -> None:
    settings = msgspec.json.encode(bench.engine.settings).decode()
    moments = random.Random(7)
    bench.create("sleep", "100", network="bridge", name="victim")
    for turn in range(10):
        starting = python(_COMMAND, settings, "start", "victim", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        record = _claimed(bench, starting)
        time.sleep(moments.random() * 0.06)
        os.kill(owner.pid_of(record.monitor), signal.SIGKILL)
        starting.wait(20)
        assert starting.stdout is not None
        starting.stdout.close()
        with Engine(bench.engine.settings) as fresh:
            assert fresh.container("victim").status in (Status.CREATED, Status.EXITED), turn
            assert leftovers(fresh, bench.made) == [], turn
            fresh.start("victim")  # nothing is in the way of another attempt
            fresh.stop("victim", timeout=0)
            fresh.close()
        bench.engine.remove("victim")
        bench.create("sleep", "100", network="bridge", name="victim")


def _claimed(bench: Bench, starting: subprocess.Popen[bytes]) -> Container:
    """Wait until a container has a monitor, and return its record then."""
    while True:
        record = bench.engine.store.containers.find("victim")
        if record.monitor:
            return record
        assert starting.poll() is None
        time.sleep(0.001)
