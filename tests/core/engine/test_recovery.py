"""Tests of the truth about containers nobody looks after; see also tests/integration/test_killed.py."""

from __future__ import annotations

import pytest
from tests.core.engine.containers import Bench, eventually

from sampan.engine import halt
from sampan.errors import NotFound
from sampan.model.container import Status
from sampan.store import owner


def _dead() -> str:
    return owner.current().rpartition("/")[0] + "/1"


def test_one_that_cannot_be_cleared_up_does_not_hide_the_others(bench: Bench) -> None:
    bench.create("true", name="fine")
    lost = bench.create("true", name="lost")
    bench.engine.store.containers.update(
        lost.id, status=Status.RUNNING, monitor=_dead(), runtime="uninstalled")
    assert {one.name for one in bench.engine.containers(all=True)} == {"fine", "lost"}
    with pytest.raises(NotFound, match='no runtime named "uninstalled"'):
        bench.engine.container("lost")
    bench.engine.store.containers.update(lost.id, runtime="native")
    assert bench.engine.container("lost").exit_code == 137


def test_what_another_monitor_runs_is_not_halted(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    halt.halt(bench.engine, container)  # as a slow sweep would that read the journal before the start
    assert bench.engine.container(container.id).alive
    assert bench.engine.runtime(container.runtime).pids(container.id) == [container.pid]


def test_halting_twice_and_what_never_ran(bench: Bench) -> None:
    container = bench.create("true", network="bridge")
    for _ in range(2):
        halt.halt(bench.engine, container)
    bench.engine.start(container.id)
    eventually(lambda: not bench.engine.container(container.id).alive)
