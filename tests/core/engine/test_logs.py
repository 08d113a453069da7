"""Tests of reading what containers printed."""

from __future__ import annotations

import threading
import time

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import InvalidInput, NotFound, SampanError


def test_both_streams_in_order(bench: Bench) -> None:
    bench.run("sh", "-c", "echo one; usleep 20000; echo two >&2; usleep 20000; printf three", name="talker")
    entries = list(bench.engine.logs("talker"))
    assert [(entry.stream, entry.content) for entry in entries] == [
        ("stdout", b"one\n"), ("stderr", b"two\n"), ("stdout", b"three")]
    assert [entry.content for entry in bench.engine.logs("talker", tail=1)] == [b"three"]
    assert [entry.content for entry in bench.engine.logs("talker", since=entries[1].time)] == [b"two\n", b"three"]
    assert [entry.content for entry in bench.engine.logs("talker", until=entries[0].time)] == [b"one\n"]


def test_runs_follow_each_other(bench: Bench) -> None:
    container = bench.create("echo", "again")
    for _ in range(3):
        bench.engine.start(container.id)
        bench.engine.wait(container.id)
    assert [entry.content for entry in bench.engine.logs(container.id)] == [b"again\n"] * 3


@pytest.mark.parametrize("force", [False, True])
def test_following_ends_with_the_container(bench: Bench, force: bool) -> None:
    script = "for i in 1 2 3; do echo $i; usleep 50000; done; " + ("sleep 100" if force else "echo last")
    container = bench.start("sh", "-c", script)
    remover = threading.Timer(0.5, _remove, (bench, container.id))
    if force:
        remover.start()
    begun = time.monotonic()
    contents = [entry.content for entry in bench.engine.logs(container.id, follow=True)]
    assert contents == [b"1\n", b"2\n", b"3\n"] + ([] if force else [b"last\n"])
    assert time.monotonic() - begun < 5
    if force:
        remover.join()  # or it and the end of the test would remove the container together


def _remove(bench: Bench, container: str) -> None:
    from sampan.engine.engine import Engine

    with Engine(bench.engine.settings) as own:
        own.remove(container, force=True)


def test_following_what_has_ended(bench: Bench) -> None:
    bench.run("echo", "over", name="over")
    assert [entry.content for entry in bench.engine.logs("over", follow=True)] == [b"over\n"]


def test_a_terminal_has_one_stream(bench: Bench) -> None:
    bench.run("sh", "-c", "echo out; echo err >&2", terminal=True, name="tty")
    assert {entry.stream for entry in bench.engine.logs("tty")} == {"stdout"}


def test_refusals(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.engine.logs("nobody")
    bench.run("echo", "x", log_driver="none", name="mute")
    with pytest.raises(SampanError):
        list(bench.engine.logs("mute"))
    with pytest.raises(InvalidInput, match="nonsense"):
        bench.create("true", log_options={"nonsense": "1"})
