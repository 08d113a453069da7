"""Tests of looking after a container's health."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import pytest
from tests.core.engine.containers import Bench, eventually

from sampan.engine import health, process
from sampan.errors import InvalidInput
from sampan.model.container import Container, ContainerSpec, RestartPolicy
from sampan.model.image import Defaults, HealthCheck
from sampan.store import owner

_MS = 10**6


def _start(bench: Bench, script: str, *command: str, **numbers: int) -> Container:
    check = HealthCheck(test=("CMD-SHELL", script), interval=30 * _MS, **numbers)
    return bench.start(*(command or ("sleep", "100")), health=check)


def _until(bench: Bench, container: Container, true: Callable[[Container], bool]) -> None:
    eventually(lambda: true(bench.engine.container(container.id)), lambda: bench.engine.container(container.id))


def _state(bench: Bench, container: Container) -> dict[str, object]:
    found: dict[str, object] = bench.engine.inspect_container(container.id)["State"]["Health"]
    return found


def test_well_and_unwell(any_runtime: Bench) -> None:
    container = _start(any_runtime, "echo looked; test ! -e /tmp/ill || exit 4", "sh", "-c", "sleep 100; :", retries=2)
    assert container.health == "starting" and _state(any_runtime, container)["Log"] == []
    _until(any_runtime, container, lambda now: now.health == "healthy")
    os.close(os.open(f"/proc/{container.pid}/root/tmp/ill", os.O_CREAT))
    _until(any_runtime, container, lambda now: now.health == "unhealthy")
    found = health.results(any_runtime.engine, container)
    assert found.failing_streak >= 2 and found.log[-1].exit_code == 4 and found.log[-1].output == "looked\n"
    os.unlink(f"/proc/{container.pid}/root/tmp/ill")
    _until(any_runtime, container, lambda now: now.health == "healthy")
    eventually(lambda: len(health.results(any_runtime.engine, container).log) == 5)
    told = any_runtime.engine.events(since=0, until=time.time_ns(), filters={"event": ["health_status"]})
    assert [event["Action"] for event in told] == [
        "health_status: healthy", "health_status: unhealthy", "health_status: healthy"]
    any_runtime.engine.kill(container.id)
    assert _state(any_runtime, container)["Status"] == "unhealthy"


def test_long_output_is_cut(bench: Bench) -> None:
    container = _start(bench, "yes | head -c 100000")
    _until(bench, container, lambda now: now.health == "healthy")
    assert re.fullmatch(r"(y\n){2048}\.\.\.", health.results(bench.engine, container).log[0].output)


def test_a_check_that_hangs_is_ended(bench: Bench) -> None:
    container = _start(bench, "sleep 98", timeout=50 * _MS, retries=1)
    _until(bench, container, lambda now: now.health == "unhealthy")
    result = health.results(bench.engine, container).log[0]
    assert (result.exit_code, result.output) == (-1, "Health check exceeded timeout (50ms)")
    bench.engine.stop(container.id, timeout=0)


def test_a_check_that_cannot_be_run_is_a_failure(bench: Bench) -> None:
    container = bench.start("sleep", "100", health=HealthCheck(test=("CMD", "nothing"), interval=10 * _MS, retries=1))
    _until(bench, container, lambda now: now.health == "unhealthy")
    result = health.results(bench.engine, container).log[0]
    assert result.exit_code == -1 and "executable file not found" in result.output


def test_failures_do_not_count_while_it_starts(bench: Bench) -> None:
    container = _start(bench, "exit 1", start_period=60_000 * _MS, start_interval=10 * _MS, retries=1)
    eventually(lambda: len(health.results(bench.engine, container).log) == 5)
    assert bench.engine.container(container.id).health == "starting"
    assert health.results(bench.engine, container).failing_streak == 0


def test_nobody_checks_a_frozen_container(bench: Bench) -> None:
    container = _start(bench, "true")
    _until(bench, container, lambda now: now.health == "healthy")
    bench.engine.pause(container.id)
    assert bench.engine.container(container.id).health == "unhealthy"
    bench.engine.unpause(container.id)
    _until(bench, container, lambda now: now.health == "healthy")


def test_each_run_begins_anew(bench: Bench) -> None:
    check = HealthCheck(test=("CMD", "true"), interval=10 * _MS)
    container = bench.start("sh", "-c", "usleep 200000; exit 1", health=check, restart=RestartPolicy("on-failure", 1))
    _until(bench, container, lambda now: now.restarts == 1 and now.health == "healthy")
    bench.engine.wait(container.id)


def test_whoever_is_killed_the_container_can_end(bench: Bench) -> None:
    container = _start(bench, "sleep 97", timeout=60_000 * _MS)
    monitor = owner.pid_of(container.monitor)
    pids = bench.engine.runtime(container.runtime).pids
    eventually(lambda: len(pids(container.id)) > 1)
    for child in _children(monitor) - {container.pid}:
        os.kill(child, signal.SIGKILL)
    bench.engine.stop(container.id, timeout=0)
    assert bench.engine.container(container.id).exit_code == 137


def _children(pid: int) -> set[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return set(map(int, file.read().split()))


def test_what_the_user_leaves_open_is_as_the_image_says() -> None:
    image = Defaults(healthcheck=HealthCheck(test=("CMD", "true"), interval=7, retries=9), shell=("/bin/ash", "-c"))
    merged = process.merge(ContainerSpec(image="x", health=HealthCheck(interval=8)), image)
    assert merged.health == HealthCheck(test=("CMD", "true"), interval=8, retries=9)
    assert merged.shell == ("/bin/ash", "-c")
    assert process.merge(ContainerSpec(image="x"), image).health == image.healthcheck


@pytest.mark.parametrize("test", [("NONE",), ()])
def test_no_check(bench: Bench, test: tuple[str, ...]) -> None:
    container = bench.start("sleep", "100", health=HealthCheck(test=test))
    assert container.health == ""
    assert "Health" not in bench.engine.inspect_container(container.id)["State"]


@pytest.mark.parametrize(("check", "message"), [
    (HealthCheck(interval=1), "Interval in Healthcheck cannot be less than 1ms"),
    (HealthCheck(start_period=1), "StartPeriod in Healthcheck cannot be less than 1ms"),
    (HealthCheck(retries=-1), "Retries in Healthcheck cannot be negative"),
    (HealthCheck(test=("SOMETIMES",)), "Unknown healthcheck type"),
])
def test_checks_that_make_no_sense(bench: Bench, check: HealthCheck, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        bench.create("true", health=check)
