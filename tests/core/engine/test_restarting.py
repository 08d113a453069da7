"""Tests of containers that a restart policy starts again."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.core.engine.containers import Bench, collect, eventually

from sampan.engine.engine import Engine
from sampan.errors import Conflict
from sampan.model.container import Container, RestartPolicy, Status
from sampan.store import owner

ALWAYS = RestartPolicy("always")


def _restarting(bench: Bench, *, restarts: int = 1, **spec: object) -> Container:
    """Return a container that has ended so many times, in the pause before its next start."""
    container = bench.start("sh", "-c", "echo run; exit 3", restart=ALWAYS, **spec)
    _until(bench, container, lambda now: now.status is Status.RESTARTING and now.restarts >= restarts)
    return bench.engine.container(container.id)


def _until(bench: Bench, container: Container, true: object) -> None:
    eventually(lambda: true(bench.engine.container(container.id)))  # type: ignore[operator]  # a predicate


def test_on_failure_gives_up(any_runtime: Bench) -> None:
    container = any_runtime.start("sh", "-c", "echo $$; exit 5", restart=RestartPolicy("on-failure", 2))
    _until(any_runtime, container, lambda now: now.status is Status.EXITED)
    ended = any_runtime.engine.container(container.id)
    assert (ended.exit_code, ended.restarts, ended.monitor) == (5, 2, "")
    assert len(list(any_runtime.engine.logs(container.id))) == 3


def test_whoever_started_it_hears_of_its_first_end(bench: Bench) -> None:
    with bench.attached("sh", "-c", "echo once; exit 3", restart=ALWAYS) as attachment:
        assert collect(attachment) == (b"once\n", b"") and attachment.exit_code == 3
        assert bench.engine.container(attachment.container.id).alive


def test_between_two_runs(bench: Bench) -> None:
    container = _restarting(bench, restarts=3)
    assert (container.exit_code, container.pid) == (3, 0)
    assert container.id in [one.id for one in bench.engine.containers()]
    words = f"Container {container.id} is restarting, wait until the container is running"
    with pytest.raises(Conflict, match=words):
        bench.engine.pause(container.id)
    with pytest.raises(Conflict, match="You cannot attach to a restarting container"):
        bench.engine.attach(container.id)
    with pytest.raises(Conflict, match="You cannot remove a restarting container"):
        bench.engine.remove(container.id)
    assert bench.engine.start(container.id) is None


@pytest.mark.parametrize("how", ["stop", "kill", "rm"])
def test_it_can_be_called_off(bench: Bench, how: str) -> None:
    container = _restarting(bench, restarts=4)
    begun = time.monotonic()
    match how:
        case "stop":
            bench.engine.stop(container.id)
        case "kill":
            bench.engine.kill(container.id, "HUP")
        case "rm":
            bench.engine.remove(container.id, force=True)
            return
    assert time.monotonic() - begun < 5
    stopped = bench.engine.container(container.id)
    assert (stopped.status, stopped.exit_code, stopped.monitor) == (Status.EXITED, 3, "")
    bench.engine.start(container.id)
    assert bench.engine.container(container.id).restarts < 4


def test_stopping_it_at_any_moment(bench: Bench) -> None:
    container = bench.create("sh", "-c", "exit 1", restart=ALWAYS)
    for pause in (0.0, 0.02, 0.05, 0.1, 0.13, 0.16, 0.2):
        bench.engine.start(container.id)
        time.sleep(pause)
        bench.engine.stop(container.id)
        assert bench.engine.container(container.id).status is Status.EXITED


def test_who_waits_hears_of_the_next_end(bench: Bench) -> None:
    container = _restarting(bench)
    assert bench.engine.wait(container.id) == 3
    assert bench.engine.container(container.id).alive


def test_restart_spares_what_would_be_removed(bench: Bench) -> None:
    container = bench.start("sleep", "100", auto_remove=True)
    bench.engine.restart(container.id, timeout=0)
    assert bench.engine.container(container.id).status is Status.RUNNING
    bench.engine.kill(container.id)
    eventually(lambda: not bench.engine.containers(all=True))


def test_a_killed_monitor_restarts_nothing(bench: Bench) -> None:
    container = _restarting(bench, restarts=4)
    os.kill(owner.pid_of(container.monitor), signal.SIGKILL)
    _until(bench, container, lambda now: now.status is Status.EXITED)
    assert [one.id for one in bench.engine.due_after_boot()] == [container.id]


def test_what_is_due_after_a_boot(bench: Bench) -> None:
    unless = RestartPolicy("unless-stopped")
    for name, policy in (("one", ALWAYS), ("two", unless), ("three", unless), ("four", RestartPolicy())):
        bench.start("sleep", "100", name=name, restart=policy)
    bench.engine.stop("three", timeout=0)
    for name in ("one", "two", "four"):  # as the machine goes down
        os.kill(owner.pid_of(bench.engine.container(name).monitor), signal.SIGKILL)
    with Engine(bench.engine.settings) as later:
        eventually(lambda: [one.name for one in later.due_after_boot()] == ["one", "two"])
