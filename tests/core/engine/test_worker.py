"""Tests of work done in a forked child."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from tests.core.engine.containers import eventually, python

from sampan.engine.worker import Worker
from sampan.errors import Conflict, SampanError


def _fail() -> None:
    raise Conflict("taken")


def test_it_returns_a_value_or_raises() -> None:
    worker = Worker(lambda: [os.getpid(), 2], lambda: None)
    assert worker.result(list[int])[1] == 2
    worker.close()
    worker = Worker(_fail, lambda: None)
    with pytest.raises(Conflict, match="taken"):
        worker.result(int)
    worker.close()


def test_it_may_be_killed_or_given_up() -> None:
    worker = Worker(lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: None)
    with pytest.raises(SampanError, match="was killed"):
        worker.result(int)
    worker.close()
    before = time.monotonic()
    sleeper = Worker(lambda: time.sleep(60), lambda: None)
    pid = sleeper._pid
    sleeper.close()
    assert time.monotonic() - before < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_dies_with_its_parent() -> None:
    program = """
import os, time
from sampan.engine.worker import Worker
def work():
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
worker = Worker(work, lambda: None)
time.sleep(60)
"""
    parent = python(program, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not os.path.exists(f"/proc/{child}") or "Z (zombie)" in _status(child))


def _status(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/status") as file:
            return file.read()
    except OSError:
        return "Z (zombie)"
