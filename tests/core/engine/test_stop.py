"""Tests of ending containers, and of waiting for their end."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from tests.core.engine.containers import Bench, collect, eventually, read_until

from sampan.engine.stop import parse_signal
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import Status

_LOOP = "while :; do usleep 20000; done"


def _ready(bench: Bench, script: str, **spec: object) -> str:
    with bench.attached("sh", "-c", script, **spec) as attachment:
        read_until(attachment, b"ready\n")
        return attachment.container.id


def test_stop_asks_first(bench: Bench) -> None:
    container = _ready(bench, f"trap 'exit 3' TERM; echo ready; {_LOOP}")
    bench.engine.stop(container)
    assert bench.engine.container(container).exit_code == 3


@pytest.mark.parametrize("word", ["SIGUSR1", "usr1", "10"])
def test_the_stop_signal_is_the_containers_own(bench: Bench, word: str) -> None:
    container = _ready(bench, f"trap 'exit 4' USR1; echo ready; {_LOOP}", stop_signal=word)
    bench.engine.stop(container)
    assert bench.engine.wait(container) == 4


def test_the_signal_asked_for_outranks_it(bench: Bench) -> None:
    container = _ready(bench, f"trap 'exit 5' HUP; echo ready; {_LOOP}", stop_signal="USR1")
    bench.engine.stop(container, signal="HUP")
    assert bench.engine.wait(container) == 5


@pytest.mark.parametrize(("own", "asked"), [(None, 1), (1, None), (30, 1), (30, 0)])
def test_what_does_not_end_in_time_is_killed(bench: Bench, own: int | None, asked: int | None) -> None:
    container = bench.start("sleep", "100", stop_timeout=own)  # process 1 ignores what it has no handler for
    begun = time.monotonic()
    bench.engine.stop(container.id, timeout=asked)
    assert (asked if asked is not None else own or 0) <= time.monotonic() - begun < 5
    assert bench.engine.container(container.id).exit_code == 137


def test_stopping_what_has_stopped_is_fine(bench: Bench) -> None:
    container = bench.create("true")
    bench.engine.stop(container.id)
    assert bench.engine.container(container.id).status is Status.CREATED
    bench.engine.start(container.id)
    bench.engine.wait(container.id)
    bench.engine.stop(container.id)
    with pytest.raises(NotFound, match="No such container: nobody"):
        bench.engine.stop("nobody")


def test_stop_start_stop(bench: Bench) -> None:
    container = bench.create("sh", "-c", "echo x >> /runs; sleep 100", network="bridge")
    for run in (1, 2):
        bench.engine.start(container.id)
        eventually(lambda run=run: len(list(_runs(bench, container.id))) == run)
        bench.engine.stop(container.id, timeout=0)
    assert bench.engine.container(container.id).status is Status.EXITED


def _runs(bench: Bench, container: str) -> list[str]:
    pid = bench.engine.container(container).pid
    try:
        with open(f"/proc/{pid}/root/runs") as file:
            return file.read().split()
    except OSError:
        return []


def test_kill_sends_any_signal(bench: Bench) -> None:
    with bench.attached("sh", "-c", f"trap 'echo heard' USR2; echo ready; {_LOOP}") as attachment:
        read_until(attachment, b"ready")
        bench.engine.kill(attachment.container.id, "USR2")
        read_until(attachment, b"heard")
        bench.engine.kill(attachment.container.id)
        assert collect(attachment) == (b"", b"") or attachment.exit_code == 137
    assert attachment.exit_code == 137


def test_killing_what_does_not_run(bench: Bench) -> None:
    container = bench.create("true", name="still")
    with pytest.raises(Conflict, match=f"Cannot kill container: still: Container {container.id} is not running"):
        bench.engine.kill("still")
    with pytest.raises(InvalidInput, match="Invalid signal: NONSENSE"):
        bench.engine.kill("still", "NONSENSE")


def test_kill_reaches_the_frozen(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    bench.engine.runtime(container.runtime).pause(container.id)  # type: ignore[attr-defined]  # it is one that Pauses
    bench.engine.kill(container.id)
    assert bench.engine.wait(container.id) == 137


def test_several_wait_at_once(bench: Bench) -> None:
    container = _ready(bench, "echo ready; read go; exit 6", open_stdin=True)
    codes: list[int] = []
    waiting = [threading.Thread(target=lambda: codes.append(_wait(bench, container))) for _ in range(4)]
    for thread in waiting:
        thread.start()
    time.sleep(0.1)
    with bench.engine.attach(container) as attachment:
        attachment.send(b"\n")
        collect(attachment)
    for thread in waiting:
        thread.join(10)
    assert codes == [6] * 4


def _wait(bench: Bench, container: str) -> int:
    from sampan.engine.engine import Engine

    with Engine(bench.engine.settings) as own:
        return own.wait(container)


def test_waiting_for_what_has_ended_or_never_began(bench: Bench) -> None:
    assert bench.engine.wait(bench.create("true").id) == 0
    container = bench.start("sh", "-c", "exit 8")
    assert bench.engine.wait(container.id) == bench.engine.wait(container.id) == 8


@pytest.mark.parametrize(
    ("text", "number"),
    [("TERM", 15), ("SIGTERM", 15), ("sigkill", 9), ("15", 15), ("RTMIN+3", signal.SIGRTMIN + 3),
     ("SIGRTMIN", signal.SIGRTMIN), ("RTMAX-1", signal.SIGRTMAX - 1), ("RTMAX", signal.SIGRTMAX)],
)
def test_signals_are_understood(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "65", "SIG", "_DFL", "SIG_IGN", "BLOCK", "RTMIN+99", "²"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_signal(text)
