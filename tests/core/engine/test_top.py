"""Tests of listing a container's processes by the host's ps."""

from __future__ import annotations

import pytest
from tests.core.engine.containers import Bench

from sampan.engine.top import chosen
from sampan.errors import Conflict, InvalidInput, SampanError


def test_its_processes_as_the_host_sees_them(any_runtime: Bench) -> None:
    container = any_runtime.start("sh", "-c", "sleep 98 & sleep 99; :")
    titles, rows = any_runtime.engine.top(container.id)
    assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [row[7] for row in rows if row[1] == str(container.pid)] == ["sh -c sleep 98 & sleep 99; :"]
    assert any_runtime.engine.top(container.id, ["-o", "pid,comm"])[0] == ["PID", "COMMAND"]
    assert any_runtime.engine.top(container.id, ["aux"])[0][0] == "USER"


def test_what_ps_refuses_or_cannot_be_chosen_from(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    with pytest.raises(SampanError, match=r'^ps: error: unknown user-defined format specifier "foo"$'):
        bench.engine.top(container.id, ["-o", "foo"])
    with pytest.raises(InvalidInput, match="Couldn't find PID field in ps output"):
        bench.engine.top(container.id, ["-o", "comm"])
    with pytest.raises(InvalidInput, match='specifying "ppid=PID" is not allowed'):
        bench.engine.top(container.id, ["-o", "ppid=PID"])
    with pytest.raises(Conflict, match=f"Container {bench.create('true').id} is not running"):
        bench.engine.top(bench.engine.containers(all=True)[0].id)


def test_threads_follow_their_process() -> None:
    listing = "PID LWP CMD\n7 - a b\n- 7 a b\n- 8 a b\n9 - other\n- 9 other\n"
    assert chosen(listing, frozenset({7})) == (
        ["PID", "LWP", "CMD"], [["7", "-", "a b"], ["-", "7", "a b"], ["-", "8", "a b"]])
