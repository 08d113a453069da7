"""Run, start, list, read and remove containers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engines import IMAGE, Engine, timed


@contextmanager
def run_none(engine: Engine) -> Iterator[Callable[[], float]]:
    """run --rm --net=none."""
    yield lambda: timed(lambda: engine("run", "--rm", "--net=none", IMAGE, "/bin/true"))


@contextmanager
def run_bridge(engine: Engine) -> Iterator[Callable[[], float]]:
    """run --rm."""
    yield lambda: timed(lambda: engine("run", "--rm", IMAGE, "/bin/true"))


@contextmanager
def run_detached(engine: Engine) -> Iterator[Callable[[], float]]:
    """run -d."""
    started: list[str] = []

    def once() -> float:
        seconds = timed(lambda: started.append(engine("run", "-d", IMAGE, "sleep", "1000")))
        engine("rm", "-f", started[-1])
        return seconds

    yield once


@contextmanager
def start(engine: Engine) -> Iterator[Callable[[], float]]:
    """start."""
    container = engine("create", IMAGE, "sleep", "1000")

    def once() -> float:
        seconds = timed(lambda: engine("start", container))
        engine("kill", container)
        engine("wait", container)
        return seconds

    try:
        yield once
    finally:
        engine("rm", "-f", container)


@contextmanager
def exec_true(engine: Engine) -> Iterator[Callable[[], float]]:
    """exec."""
    container = engine("run", "-d", IMAGE, "sleep", "1000")
    try:
        yield lambda: timed(lambda: engine("exec", container, "/bin/true"))
    finally:
        engine("rm", "-f", container)


@contextmanager
def remove(engine: Engine) -> Iterator[Callable[[], float]]:
    """rm -f, running."""

    def once() -> float:
        container = engine("run", "-d", IMAGE, "sleep", "1000")
        return timed(lambda: engine("rm", "-f", container))

    yield once


@contextmanager
def ps(engine: Engine) -> Iterator[Callable[[], float]]:
    """ps."""
    container = engine("run", "-d", IMAGE, "sleep", "1000")
    try:
        yield lambda: timed(lambda: engine("ps"))
    finally:
        engine("rm", "-f", container)


@contextmanager
def ps_of_many(engine: Engine) -> Iterator[Callable[[], float]]:
    """ps -a, 200 containers."""
    containers = [engine("create", "--net=none", IMAGE, "true") for _ in range(200)]
    try:
        yield lambda: timed(lambda: engine("ps", "-a"))
    finally:
        engine("rm", *containers)


@contextmanager
def logs(engine: Engine) -> Iterator[Callable[[], float]]:
    """logs, 100,000 lines."""
    script = "i=0; while [ $i -lt 100000 ]; do echo a line of the log, number $i; i=$((i+1)); done"
    container = engine("run", "-d", "--net=none", IMAGE, "sh", "-c", script)
    engine("wait", container)
    try:
        yield lambda: timed(lambda: engine("logs", container))
    finally:
        engine("rm", container)


@contextmanager
def twenty(engine: Engine) -> Iterator[Callable[[], float]]:
    """20 x run -d at once."""

    def once() -> float:
        names = [f"sampan-bench-{os.getpid()}-{number}" for number in range(20)]
        begun = time.perf_counter()
        starts = [
            subprocess.Popen(
                [*engine.command, "run", "-d", "--name", name, IMAGE, "sleep", "1000"], stdout=subprocess.DEVNULL
            )
            for name in names
        ]
        failed = [start.wait() for start in starts]
        seconds = time.perf_counter() - begun
        engine("rm", "-f", *names)
        if any(failed):
            sys.exit(f"{engine.name}: {sum(map(bool, failed))} of 20 starts failed")
        return seconds

    yield once


BENCHMARKS = {
    "run-none": run_none, "run": run_bridge, "run-d": run_detached, "start": start, "exec": exec_true, "rm": remove,
    "ps": ps, "ps-200": ps_of_many, "logs": logs, "20-starts": twenty,
}
