"""Tests of what becomes of containers that want more memory than they may have."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, bench_at, eventually

from sampan.contracts.runtime import Stdio
from sampan.engine.exec_ import ExecRequest
from sampan.errors import SampanError
from sampan.kernel import cgroups
from sampan.model.container import Container, Limits, Status
from sampan.store import owner

GREEDY = "tail /dev/zero"
LITTLE = Limits(memory=8 << 20)


def _told(bench: Bench, container: Container) -> list[str]:
    happened = bench.engine.events(since=0, until=time.time_ns(), filters={"container": [container.id]})
    return [one["Action"] for one in happened]


def test_who_is_killed_is_told_of(any_runtime: Bench) -> None:
    container = any_runtime.start("sh", "-c", f"exec {GREEDY}", limits=LITTLE)
    assert any_runtime.engine.wait(container.id) == 137
    assert any_runtime.engine.container(container.id).oom_killed
    assert _told(any_runtime, container)[-2:] == ["oom", "die"]


def test_a_child_that_is_killed_is_told_of_at_once_and_at_the_end(bench: Bench) -> None:
    container = bench.start("sh", "-c", f"{GREEDY}; until test -e /go; do usleep 10000; done; exit 4", limits=LITTLE)
    eventually(lambda: "oom" in _told(bench, container))
    assert bench.engine.inspect_container(container.id)["State"]["OOMKilled"]
    _execute(bench, container, "touch", "/go")
    assert bench.engine.wait(container.id) == 4
    assert bench.engine.container(container.id).oom_killed
    assert [action for action in _told(bench, container) if action in ("oom", "die")] == ["oom", "die"]


def test_what_is_executed_and_killed_is_told_of(any_runtime: Bench) -> None:
    container = any_runtime.start("sleep", "100", limits=LITTLE)
    for count in (1, 2):
        assert _execute(any_runtime, container, "sh", "-c", f"exec {GREEDY}") == 137
        eventually(lambda count=count: _told(any_runtime, container).count("oom") == count)  # type: ignore[misc]


def test_a_sleeping_monitor_wakes_to_tell(tmp_path: Path) -> None:
    with bench_at(tmp_path, slumber=1) as bench:
        container = bench.start("sleep", "100", limits=LITTLE)
        monitor = owner.pid_of(container.monitor)
        eventually(lambda: b"watch.py" in Path(f"/proc/{monitor}/cmdline").read_bytes())
        for count in (1, 2):  # awake, the second time
            _execute(bench, container, "sh", "-c", f"exec {GREEDY}")
            eventually(lambda count=count: _told(bench, container).count("oom") == count)  # type: ignore[misc]
        bench.engine.kill(container.id)
        assert bench.engine.wait(container.id) == 137
        assert bench.engine.container(container.id).oom_killed


def _execute(bench: Bench, container: Container, *command: str) -> int:
    return bench.engine.exec(container.id, ExecRequest(command=command), Stdio(None, None, None)).wait()


def test_the_next_run_begins_anew(bench: Bench) -> None:
    container = bench.start("sh", "-c", f"test -e /x && exec sleep 100; touch /x; {GREEDY}", limits=LITTLE)
    bench.engine.wait(container.id)
    bench.engine.start(container.id)
    assert not bench.engine.container(container.id).oom_killed
    bench.engine.kill(container.id)
    bench.engine.wait(container.id)
    assert not bench.engine.container(container.id).oom_killed
    assert _told(bench, container).count("oom") == 1


def test_who_is_killed_by_anything_else_is_not(bench: Bench) -> None:
    container = bench.start("sleep", "100", limits=LITTLE)
    bench.engine.kill(container.id)
    assert bench.engine.wait(container.id) == 137
    assert not bench.engine.container(container.id).oom_killed
    assert "oom" not in _told(bench, container)


def test_nobody_is_killed_where_the_killer_is_disabled(bench: Bench) -> None:
    limits = Limits(memory=8 << 20, oom_kill_disable=True)
    container = bench.create("sh", "-c", f"{GREEDY}; touch /over; exec sleep 100", limits=limits)
    if cgroups.is_unified():
        with pytest.raises(SampanError, match="cannot disable the OOM killer"):
            bench.engine.start(container.id)
        return
    bench.engine.start(container.id)
    control = f"/sys/fs/cgroup/memory/sampan/{container.id}/memory.oom_control"
    with open(control) as file:
        assert "oom_kill_disable 1" in file.read()
    # Whoever wants more waits for it, or is told that there is none: the kernel decides which.
    eventually(lambda: _is_out_of_memory(control, bench.engine.container(container.id)))
    bench.engine.kill(container.id)
    assert bench.engine.wait(container.id) == 137
    record = bench.engine.container(container.id)
    assert (record.status, record.oom_killed) == (Status.EXITED, False)


def _is_out_of_memory(control: str, container: Container) -> bool:
    with open(control) as file:
        return "under_oom 1" in file.read() or os.path.exists(f"/proc/{container.pid}/root/over")
