"""Tests of removing containers."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest
from tests.core.engine.containers import Bench, eventually, leftovers, python

from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.errors import Conflict, NotFound, SampanError

_START = """
import sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
with Engine(msgspec.json.decode(sys.argv[1], type=Settings)) as engine:
    engine.start(sys.argv[2])
"""


def encoded(settings: Settings) -> str:
    import msgspec

    return msgspec.json.encode(settings).decode()


def test_nothing_is_left(any_storage: Bench) -> None:
    container = any_storage.start("sh", "-c", "mkdir -p /a/b; echo x > /a/b/c; echo y", network="bridge")
    any_storage.engine.wait(container.id)
    any_storage.engine.remove(container.id)
    with pytest.raises(NotFound):
        any_storage.engine.container(container.id)
    assert leftovers(any_storage.engine, any_storage.made) == []
    assert not os.path.exists(any_storage.engine.layout.container(container.id))


def test_what_runs_is_removed_only_by_force(any_runtime: Bench) -> None:
    container = any_runtime.start("sleep", "100", name="busy", network="bridge")
    with pytest.raises(Conflict, match=f"You cannot remove a running container {container.id}"):
        any_runtime.engine.remove("busy")
    any_runtime.engine.remove("busy", force=True)
    assert not os.path.exists(f"/proc/{container.pid}")
    assert leftovers(any_runtime.engine, any_runtime.made) == []


def test_force_removes_what_removes_itself(bench: Bench) -> None:
    container = bench.start("sleep", "100", auto_remove=True, name="brief")
    bench.engine.remove(container.id, force=True)
    bench.create("true", name="brief")


def test_removing_twice(bench: Bench) -> None:
    container = bench.create("true")
    bench.engine.remove(container.id)
    with pytest.raises(NotFound, match=f"No such container: {container.id}"):
        bench.engine.remove(container.id, force=True)


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.06, 0.09])
def test_by_force_while_it_is_being_started(bench: Bench, delay: float) -> None:
    container = bench.create("sleep", "100", network="bridge")
    starting = python(_START, encoded(bench.engine.settings), container.id, stderr=subprocess.DEVNULL)
    threading.Event().wait(0.1 + delay)
    bench.engine.remove(container.id, force=True)
    starting.wait(20)
    assert bench.engine.containers(all=True) == []
    eventually(lambda: leftovers(bench.engine, bench.made) == [], lambda: leftovers(bench.engine, bench.made))


def test_one_of_several_removes(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    outcomes: list[str] = []

    def remove() -> None:
        with Engine(bench.engine.settings) as own:
            try:
                own.remove(container.id, force=True)
                outcomes.append("removed")
            except SampanError as error:
                outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcomes.count("removed") >= 1 and set(outcomes) <= {"removed", "NotFound", "Conflict"}
    assert leftovers(bench.engine, bench.made) == []
