"""Check that a runtime can be killed at any moment, and that several can work at once."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial

import pytest

from sampan.contracts.runtime import Stdio
from sampan.kernel import processes
from sampan.testing.forking import killed, together
from sampan.testing.runtime.box import Box, until

_AT_ONCE = 6


class KilledTests:
    """What is left by who was killed can be removed by others."""

    @pytest.mark.parametrize("delay", [0.0, 0.004, 0.01, 0.03, 0.1])
    def test_a_maker_killed_at_any_moment_leaves_what_delete_removes(self, box: Box, delay: float) -> None:
        box.spec.process.args = ["sleep", "1000"]
        box.write()

        def work() -> None:
            processes.become_subreaper()
            box.runtime.create(box.id, str(box.bundle), Stdio())
            box.runtime.start(box.id)
            time.sleep(1000)

        killed(work, delay)
        box.runtime.delete(box.id, force=True)
        until(lambda: box.runtime.pids(box.id) == [])
        time.sleep(0.02)  # children of the killed one notice and end
        box.runtime.delete(box.id, force=True)
        reap()
        assert box.run("true")[0] == 0, "its name is free again"

    def test_a_delete_that_is_killed_is_done_by_the_next(self, box: Box) -> None:
        for delay in (0.0, 0.001, 0.004):
            box.begin("sleep", "1000")
            killed(lambda: box.runtime.delete(box.id, force=True), delay)
            box.runtime.delete(box.id, force=True)
            assert box.wait() == -signal.SIGKILL
            reap()

    def test_several_processes_make_containers_at_once(self, boxes: Callable[[], Box]) -> None:
        made = [boxes() for _ in range(_AT_ONCE)]

        def live(box: Box) -> None:
            processes.become_subreaper()
            assert box.run("sh", "-c", "echo $0; exit 3", box.id) == (3, f"{box.id}\n")
            box.runtime.delete(box.id)

        assert together(partial(live, box) for box in made) == [0] * _AT_ONCE


def reap() -> None:
    """Reap the orphans that fell to this process."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
