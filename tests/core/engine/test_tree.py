"""Tests that a container's writable layer is mounted once at a time, whoever wants to reach into it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import msgspec
import pytest
from tests.core.engine.containers import Bench, collect, eventually, python

from sampan.engine import progress, tree
from sampan.engine.engine import Engine
from sampan.errors import Conflict
from sampan.model.container import Container, Status
from sampan.store import locks, owner

_START = """\
import msgspec, sys
from sampan.config import Settings
from sampan.engine.engine import Engine
with Engine(msgspec.json.decode(sys.argv[1], type=Settings)) as engine:
    engine.start(sys.argv[2], report=lambda event: print("waiting", flush=True))
"""


@contextmanager
def _started_over_and_over(engine: Engine, container: Container) -> Iterator[None]:
    done = Event()

    def work() -> None:
        with Engine(engine.settings) as other:
            while not done.is_set():
                other.start(container.id)
                other.wait(container.id)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            done.set()
        working.result()


def _mounts(engine: Engine, container: Container) -> bool:
    """Tell whether a monitor has the container's tree mounted."""
    monitor = engine.store.containers.get(container.id).monitor
    if not monitor or not owner.alive(monitor):
        return False
    try:
        mounts = Path(f"/proc/{owner.pid_of(monitor)}/mountinfo").read_text()
    except OSError:
        return False  # it has just ended
    return f" {engine.layout.bundle(container.id)}/rootfs " in mounts


def test_what_a_monitor_mounts_nobody_else_does(bench: Bench) -> None:
    engine, container = bench.engine, bench.create("usleep", "20000")
    reached = {True: 0, False: 0}
    with _started_over_and_over(engine, container):
        while min(reached.values()) < 20:
            try:
                with tree.opened(engine, engine.container(container.id)) as root:
                    running = root.startswith("/proc/self/")
                    assert running or not _mounts(engine, container)
                    reached[running] += 1
            except Conflict as error:
                assert "has just ended" in error.message


def test_a_start_waits_for_who_reached_in_before(bench: Bench) -> None:
    engine, container = bench.engine, bench.create("cat", "/late")
    with Engine(engine.settings) as other, ThreadPoolExecutor(1) as pool:
        with tree.settled(engine, container) as now, tree.mounted(engine, now) as root:
            starting = pool.submit(other.start, container.id, attach=True)
            time.sleep(0.1)
            assert not starting.done() and not engine.store.containers.get(container.id).monitor
            Path(root, "late").write_text("in time")
        attachment = starting.result(20)
        assert attachment is not None
        with attachment:
            assert collect(attachment) == (b"in time", b"")


def test_who_keeps_a_tree_for_long_is_told_of(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_PATIENCE", 0.0)
    engine, container = bench.engine, bench.create("true")
    with locks.exclusive(engine.layout, f"container-{container.id}"):
        with pytest.raises(Conflict) as caught, tree.settled(engine, container):
            pass
        assert caught.value.message == f"container {container.name} is in use by another command"
        assert caught.value.hint == "try again when that has ended"
    assert engine.container(container.id).status is Status.CREATED
    assert engine.diff(container.id) == []


def test_a_start_tells_that_it_waits(bench: Bench) -> None:
    engine, container = bench.engine, bench.create("true")
    told: list[progress.Event] = []
    with Engine(engine.settings) as other, ThreadPoolExecutor(1) as pool:
        with locks.exclusive(engine.layout, locks.of_container(container.id)):
            starting = pool.submit(other.start, container.id, report=told.append)
            eventually(lambda: bool(told))
        starting.result(20)
    assert [(one.id, one.action) for one in told] == [
        (container.name, "in use by another command, waiting for that to end")
    ]
    assert engine.wait(container.id) == 0


def test_a_start_that_nobody_waits_for_is_given_up(bench: Bench) -> None:
    engine, container = bench.engine, bench.create("true")
    settings = msgspec.json.encode(engine.settings).decode()
    with locks.exclusive(engine.layout, locks.of_container(container.id)):
        starter = python(_START, settings, container.id, stdout=subprocess.PIPE)
        assert starter.stdout is not None and starter.stdout.readline() == b"waiting\n"
        starter.kill()
        starter.wait()
        starter.stdout.close()
        time.sleep(0.1)
    time.sleep(0.1)
    assert engine.container(container.id).status is Status.CREATED
