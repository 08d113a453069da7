"""Tests of monitors that give their memory back, and of their coming back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.containers import Bench, bench_at, eventually, leftovers, read_until

from sampan.config import Settings
from sampan.engine.clients import Held
from sampan.engine.slumber import Memory
from sampan.errors import NotFound
from sampan.model.container import Container, RestartPolicy, Status, Volume
from sampan.store import owner

_LARGEST = 8 << 10
"""KiB that a sleeping monitor may occupy."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path, slumber=1) as made:
        yield made


def _asleep(bench: Bench, container: Container) -> bool:
    monitor = owner.pid_of(bench.engine.container(container.id).monitor)
    return b"watch.py" in Path(f"/proc/{monitor}/cmdline").read_bytes()


def _sleeping(bench: Bench, *command: str, **spec: Any) -> Container:
    container = bench.start(*command, **spec)
    eventually(lambda: _asleep(bench, container))
    return container


def test_an_idle_monitor_takes_little_memory_and_is_the_same_process(bench: Bench) -> None:
    container = _sleeping(bench, "sleep", "100", network="bridge")
    again = bench.engine.container(container.id)
    assert again.monitor == container.monitor and owner.alive(again.monitor)
    usage = Path(f"/proc/{owner.pid_of(again.monitor)}/smaps_rollup").read_text()
    proportional = next(line for line in usage.splitlines() if line.startswith("Pss:"))
    assert int(proportional.split()[1]) < _LARGEST


def test_what_is_printed_and_how_it_ends_are_kept(bench: Bench) -> None:
    script = "echo early; until test -e /v/go; do usleep 10000; done; echo late; exit 7"
    container = _sleeping(
        bench, "sh", "-c", script, volumes=(Volume(kind="volume", source="signal", target="/v"),), network="bridge"
    )
    Path(bench.engine.inspect_volume("signal")["Mountpoint"], "go").touch()
    assert bench.engine.wait(container.id) == 7
    assert [entry.content for entry in bench.engine.logs(container.id)] == [b"early\n", b"late\n"]
    assert bench.engine.container(container.id).status is Status.EXITED
    assert leftovers(bench.engine, bench.made) == []


def test_a_terminal_is_attached_to_after_its_monitor_slept(bench: Bench) -> None:
    container = _sleeping(bench, "sh", terminal=True, open_stdin=True)
    with bench.engine.attach(container.id) as attachment:
        attachment.resize(33, 77)
        attachment.send(b"stty size; tty; exit 5\n")
        assert b"33 77" in read_until(attachment, b"/dev/pts/0")
    assert bench.engine.wait(container.id) == 5


def test_who_is_attached_stays_attached(bench: Bench) -> None:
    container = bench.create("cat", open_stdin=True, stdin_once=True)
    with bench.engine.start(container.id, attach=True) or pytest.fail("no attachment") as attachment:
        attachment.send(b"one\n")
        read_until(attachment, b"one\n")
        eventually(lambda: _asleep(bench, container))
        attachment.send(b"two\n")
        read_until(attachment, b"two\n")
        attachment.close_input()
        while attachment.receive() is not None:
            pass
        assert attachment.exit_code == 0


def test_one_that_is_killed_asleep_takes_the_container_along(bench: Bench) -> None:
    container = _sleeping(bench, "sleep", "100", network="bridge")
    os.kill(owner.pid_of(container.monitor), signal.SIGKILL)
    eventually(lambda: not owner.alive(container.monitor))
    assert bench.engine.container(container.id).exit_code == 137
    eventually(lambda: not os.path.exists(f"/proc/{container.pid}"))
    assert leftovers(bench.engine, bench.made) == []


def test_a_restart_policy_outlives_sleep(bench: Bench) -> None:
    container = _sleeping(bench, "sleep", "100", restart=RestartPolicy("always"))
    os.kill(container.pid, signal.SIGKILL)
    eventually(lambda: bench.engine.container(container.id).restarts == 1)
    eventually(lambda: bench.engine.container(container.id).status is Status.RUNNING)
    eventually(lambda: _asleep(bench, container))


def test_one_to_be_removed_at_its_end_is(bench: Bench) -> None:
    container = _sleeping(bench, "sleep", "100", auto_remove=True)
    bench.engine.kill(container.id)

    def gone() -> bool:
        try:
            bench.engine.container(container.id)
        except NotFound:
            return True
        return False

    eventually(gone)


def test_who_is_woken_soon_is_slower_to_fall_asleep() -> None:
    held = Held(outputs={}, input=-1, console=-1, listener=3, pidfd=4, pid=5, input_ends=False, clients=())

    def patience(quiet: float, slept: float) -> float:
        return Memory(
            settings=Settings(slumber=10), claims=(), container="it", streams=held, sandbox=-1, host=-1, pause=0.0,
            quiet=quiet, since=time.time() - slept,
        ).patience()

    assert patience(10, 5) == 20
    assert patience(3000, 5) == 3600
    assert patience(40, 1000) == 10
