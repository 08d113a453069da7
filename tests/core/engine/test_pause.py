"""Tests of freezing and thawing containers."""

from __future__ import annotations

import os
import signal
import time

import msgspec
import pytest
from tests.core.engine.containers import Bench, eventually, python

from sampan.engine import undo
from sampan.errors import Conflict, NotFound
from sampan.model.container import Container, Status
from sampan.store.journal import Action


def test_there_and_back(any_runtime: Bench) -> None:
    engine = any_runtime.engine
    container = any_runtime.start("sh", "-c", "while :; do echo tick; usleep 1000; done")
    engine.pause(container.id)
    assert engine.container(container.id).status is Status.PAUSED and engine.containers()[0].id == container.id
    time.sleep(0.05)  # what it had written may still be on its way to the log
    size = _log_size(any_runtime, container)
    time.sleep(0.05)
    assert _log_size(any_runtime, container) == size
    with pytest.raises(Conflict, match=f"Container {container.id} is already paused"):
        engine.pause(container.id)
    engine.unpause(container.id)
    assert engine.container(container.id).status is Status.RUNNING
    before = _log_size(any_runtime, container)
    eventually(lambda: _log_size(any_runtime, container) > before)
    with pytest.raises(Conflict, match=f"Container {container.id} is not paused"):
        engine.unpause(container.id)


def _log_size(bench: Bench, container: Container) -> int:
    return os.stat(f"{bench.engine.layout.container(container.id)}/{container.id}-json.log").st_size


def test_what_does_not_run_is_not_paused(bench: Bench) -> None:
    container = bench.create("true")
    with pytest.raises(Conflict, match=f"Container {container.id} is not running"):
        bench.engine.pause(container.id)
    with pytest.raises(NotFound):
        bench.engine.pause("nobody")


def test_what_a_paused_container_refuses(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    bench.engine.pause(container.id)
    with pytest.raises(Conflict, match="cannot start a paused container, try unpause instead"):
        bench.engine.start(container.id)
    with pytest.raises(Conflict, match="You cannot attach to a paused container, unpause it first"):
        bench.engine.attach(container.id)
    with pytest.raises(Conflict, match=r"You cannot remove a paused container .* Unpause and then stop"):
        bench.engine.remove(container.id)
    bench.engine.remove(container.id, force=True)


@pytest.mark.parametrize(("stop_signal", "sent", "status"), [
    ("", "USR1", Status.RUNNING), ("TERM", "WINCH", Status.PAUSED), ("WINCH", "WINCH", Status.RUNNING),
])  # fmt: skip
def test_a_signal_that_is_to_end_it_thaws_it(bench: Bench, stop_signal: str, sent: str, status: Status) -> None:
    container = bench.start("sleep", "100", stop_signal=stop_signal)
    bench.engine.pause(container.id)
    bench.engine.kill(container.id, sent)
    assert bench.engine.container(container.id).status is status


def test_stop_and_restart(bench: Bench) -> None:
    container = bench.start("sh", "-c", "trap 'exit 4' TERM; while :; do usleep 20000; done")
    bench.engine.pause(container.id)
    bench.engine.restart(container.id, timeout=5)
    restarted = bench.engine.container(container.id)
    assert restarted.status is Status.RUNNING and restarted.started > container.started
    bench.engine.pause(container.id)
    bench.engine.stop(container.id, timeout=0)
    assert bench.engine.container(container.id).status is Status.EXITED


def test_killed_in_the_middle_it_goes_on(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    program = """
import os, signal, sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
class Killing(type(engine.runtime("native"))):
    def pause(self, container):
        super().pause(container)
        os.kill(os.getpid(), signal.SIGKILL)
engine.runtime("native").__class__ = Killing
engine.pause(sys.argv[2])
"""
    killed = python(program, msgspec.json.encode(bench.engine.settings).decode(), container.id)
    assert killed.wait(30) == -signal.SIGKILL
    bench.engine.close()  # what opens the store next sweeps
    assert bench.engine.container(container.id).status is Status.RUNNING
    bench.engine.pause(container.id)


def test_undoing_twice_and_of_what_is_gone(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    for identity in (container.id, container.id, "gone"):
        undo.undo(bench.engine, Action("paused", (identity,)))
    assert bench.engine.container(container.id).status is Status.RUNNING
