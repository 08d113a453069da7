"""Tests of what is told of what happened, as it happens and afterwards."""

from __future__ import annotations

import os
import threading
import time

import pytest
from tests.core.engine.containers import Bench, eventually

from sampan.contracts.runtime import Stdio
from sampan.engine import events
from sampan.engine.exec_ import ExecRequest
from sampan.errors import InvalidInput


def _told(bench: Bench, **filters: list[str]) -> list[str]:
    """Return what has happened so far to containers, or what filters choose."""
    chosen = bench.engine.events(since=0, until=time.time_ns(), filters=filters or {"type": ["container"]})
    return [event["Action"] for event in chosen]


def test_the_life_of_a_container(bench: Bench) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do usleep 9000; done"
    container = bench.create("sh", "-c", script, name="c1", labels={"a": "b"})
    bench.engine.start("c1")
    eventually(lambda: list(bench.engine.logs("c1")) != [])
    bench.engine.exec("c1", ExecRequest(command=("echo", "x")), Stdio()).wait()
    bench.engine.pause("c1")
    bench.engine.unpause("c1")
    bench.engine.rename("c1", "c2")
    bench.engine.restart("c2")
    bench.engine.attach("c2").close()
    bench.engine.kill("c2")
    bench.engine.remove("c2")
    again = ["kill", "die", "stop", "start", "restart"]
    assert _told(bench) == [
        "create", "start", "exec_create: echo x", "exec_start: echo x", "exec_die", "pause", "unpause", "rename",
        *again, "attach", "kill", "die", "destroy",
    ]  # fmt: skip
    (died, _) = bench.engine.events(since=0, until=time.time_ns(), filters={"event": ["die"]})
    assert died["Actor"]["Attributes"].pop("execDuration").isdecimal()  # whole seconds, as long as it took
    assert died["Actor"] == {"ID": container.id, "Attributes": {
        "a": "b", "exitCode": "3", "image": "bb:1", "name": "c2"}}  # fmt: skip
    assert (died["status"], died["from"], died["scope"], died["time"]) == (
        "die", "bb:1", "local", died["timeNano"] // 10**9)


def test_images(bench: Bench) -> None:
    bench.engine.remove_image("bb:1")
    assert _told(bench, type=["image"]) == ["import", "untag", "delete"]


@pytest.mark.parametrize(("filters", "count"), [
    ({"container": ["c1"]}, 2), ({"container": ["c"]}, 3), ({"event": ["create"]}, 2), ({"label": ["a"]}, 2),
    ({"label": ["a=b", "x"]}, 0), ({"image": ["bb"], "type": ["container"]}, 3), ({"image": ["bb:1"]}, 3),
    ({"event": ["exec_create"]}, 0), ({"type": ["network", "image"]}, 1), ({"daemon": ["any"]}, 0),
])  # fmt: skip
def test_filters(bench: Bench, filters: dict[str, list[str]], count: int) -> None:
    bench.create("true", name="c1", labels={"a": "b"})
    bench.create("true", name="c2")
    bench.engine.remove("c1")
    assert len(_told(bench, **filters)) == count


def test_a_filter_there_is_not(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="invalid filter 'colour'"):
        list(bench.engine.events(since=0, until=1, filters={"colour": ["red"]}))


def test_from_and_to(bench: Bench) -> None:
    bench.create("true", name="before")
    since = time.time_ns()
    bench.create("true", name="within")
    until = time.time_ns()
    bench.create("true", name="after")
    told = bench.engine.events(since=since, until=until)
    assert [event["Actor"]["Attributes"]["name"] for event in told] == ["within"]


def test_following_through_rotation(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    container = bench.create("true", name="c1")
    monkeypatch.setattr(events, "FULL", 1000)
    heard: list[str] = []
    ready, last = threading.Event(), 60

    def follow() -> None:
        for action in (event["Action"] for event in bench.engine.events(until=time.time_ns() + 20 * 10**9)):
            if action == "ready":
                ready.set()
            else:
                heard.append(action)
            if action == str(last):
                return

    follower = threading.Thread(target=follow)
    follower.start()
    while not ready.wait(0.01):
        events.container(bench.engine, container, "ready")
    for number in range(last + 1):
        events.container(bench.engine, container, str(number))
        eventually(lambda number=number: str(number) in heard)  # two changes at once may be more than are kept
    follower.join(20)
    assert heard == [str(number) for number in range(last + 1)]
    assert os.stat(bench.engine.layout.older_events).st_size < 2000
    told = _told(bench)
    assert told == [str(number) for number in range(last + 1)][-len(told) :] and len(told) >= 3


def test_what_cannot_be_written_is_in_nobodys_way(bench: Bench) -> None:
    os.rename(bench.engine.layout.events, bench.engine.layout.older_events)
    os.mkdir(bench.engine.layout.events)
    assert bench.run("echo", "fine") == (0, "fine\n")
    os.rmdir(bench.engine.layout.events)
