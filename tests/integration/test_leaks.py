"""Tests that running containers, many times over, costs nothing that is not given back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, bench_at, eventually, leftovers

from sampan.contracts.runtime import Stdio
from sampan.engine.exec_ import ExecRequest


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as made:
        yield made


def _own() -> tuple[dict[str, str], list[str], set[str]]:
    """Return this process's descriptors, children and, of its mounts, those below the temporary directory."""
    descriptors = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = file.read().split()
    with open("/proc/self/mountinfo") as mounts:
        return descriptors, children, {line.split()[4] for line in mounts if "/pytest-" in line}


def _links(bench: Bench) -> list[str]:
    return os.listdir(f"/sys/class/net/{bench.engine.settings.options['network/bridge']['bridge']}/brif")


def test_many_runs_leave_nothing(bench: Bench) -> None:
    bench.run("true", network="bridge", auto_remove=True)
    bench.engine.containers(all=True)
    before = _own()
    for turn in range(40):
        # The bridge takes part in one of ten: deleting an interface waits for a grace period of the kernel's.
        network = "none" if turn % 10 else "bridge"
        container = bench.create("true", network=network, auto_remove=bool(turn % 2))
        attachment = bench.engine.start(container.id, attach=True)
        assert attachment is not None
        with attachment:
            while attachment.receive() is not None:
                pass
        assert attachment.exit_code == 0
        if not container.spec.auto_remove:
            bench.engine.remove(container.id)
    bench.engine.containers(all=True)
    assert _own() == before
    assert leftovers(bench.engine, bench.made) == []
    eventually(lambda: _links(bench) == [])


def test_failures_leave_nothing(bench: Bench) -> None:
    bench.run("true", network="bridge")
    bench.engine.containers(all=True)
    before = _own()
    for _ in range(10):
        container = bench.create("nope", network="bridge")
        with pytest.raises(Exception, match="nope"):
            bench.engine.start(container.id)
        bench.engine.remove(container.id)
    bench.engine.containers(all=True)
    assert _own() == before
    assert leftovers(bench.engine, bench.made) == []


def test_execs_leave_nothing(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    bench.engine.runtime(container.runtime)
    before = _own()
    for _ in range(10):
        assert bench.engine.exec(container.id, ExecRequest(command=("true",)), Stdio()).wait() == 0
        with pytest.raises(Exception, match="nope"):
            bench.engine.exec(container.id, ExecRequest(command=("nope",)), Stdio())
        execution = bench.engine.exec(container.id, ExecRequest(command=("true",), terminal=True), Stdio())
        assert execution.wait() == 0 and execution.console is not None
        os.close(execution.console)
    assert _own() == before
    assert bench.engine.runtime(container.runtime).pids(container.id) == [container.pid]


def test_a_monitors_descriptors_do_not_pile_up(bench: Bench) -> None:
    from sampan.store import owner

    container = bench.start("sh", "-c", "while read x; do echo $x; done", open_stdin=True)
    where = f"/proc/{owner.pid_of(container.monitor)}/fd"
    counts = []
    for _ in range(3):
        for _ in range(10):
            with bench.engine.attach(container.id) as attachment:
                attachment.send(b"x\n")
                attachment.receive()
        eventually(lambda: len(os.listdir(where)) <= (counts[0] if counts else 100))
        counts.append(len(os.listdir(where)))
    assert counts[0] <= 20
