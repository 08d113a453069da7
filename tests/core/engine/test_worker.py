"""Tests of work done beside its caller."""

from __future__ import annotations

import os
import time
from _thread import get_ident

import pytest

from sampan.engine.worker import Worker
from sampan.errors import Conflict


def _fail() -> None:
    raise Conflict("taken")


def test_it_returns_a_value_from_a_thread_of_this_process() -> None:
    worker = Worker(lambda: (os.getpid(), get_ident()))
    process, thread = worker.result()
    assert process == os.getpid()
    assert thread != get_ident()
    worker.close()


def test_it_raises_what_the_work_raised() -> None:
    worker = Worker(_fail)
    with pytest.raises(Conflict, match="taken"):
        worker.result()
    worker.close()


def test_whoever_gives_it_up_waits_for_its_end() -> None:
    steps: list[str] = []

    def work() -> None:
        time.sleep(0.2)
        steps.append("done")

    Worker(work).close()
    assert steps == ["done"]
