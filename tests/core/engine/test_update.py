"""Tests of changing containers, and of measuring what they use."""

from __future__ import annotations

import pytest
from tests.core.engine.containers import Bench, eventually

from sampan.errors import Conflict, InvalidInput, SampanError
from sampan.model.container import Limits, RestartPolicy, Status


def test_limits_of_a_running_container(any_runtime: Bench) -> None:
    engine = any_runtime.engine
    container = any_runtime.start("sleep", "100", limits=Limits(memory=20 << 20, cpu_shares=512))
    engine.update(container.id, Limits(memory=30 << 20, pids=40))
    assert engine.container(container.id).spec.limits == Limits(memory=30 << 20, cpu_shares=512, pids=40)
    used = engine.usage(container).group
    assert (used.memory_limit, used.pids_limit, used.pids_current) == (30 << 20, 40, 1)
    engine.update(container.id, Limits(pids=-1))
    assert engine.usage(container).group.pids_limit is None
    engine.restart(container.id, timeout=0)
    assert engine.usage(engine.container(container.id)).group.memory_limit == 30 << 20


def test_limits_of_one_that_does_not_run(bench: Bench) -> None:
    container = bench.create("sleep", "100")
    bench.engine.update(container.id, Limits(pids=30))
    bench.engine.start(container.id)
    assert bench.engine.usage(bench.engine.container(container.id)).group.pids_limit == 30


def test_real_time_is_for_the_next_run(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    bench.engine.update(container.id, Limits(cpu_rt_runtime=1, cpu_rt_period=2, pids=9))
    assert bench.engine.container(container.id).spec.limits == Limits(cpu_rt_runtime=1, cpu_rt_period=2, pids=9)
    assert bench.engine.usage(container).group.pids_limit == 9
    bench.engine.kill(container.id)
    bench.engine.wait(container.id)
    with pytest.raises(SampanError, match="real-time"):  # a period that no kernel takes
        bench.engine.start(container.id)


def test_processors_are_told_in_one_way(bench: Bench) -> None:
    counted = bench.create("true", limits=Limits(nano_cpus=500_000_000))
    metered = bench.create("true", limits=Limits(cpu_quota=50_000))
    for container, limits, message in (
        (counted, Limits(cpu_period=50_000), "CPU Period cannot be updated as NanoCPUs has already been set"),
        (counted, Limits(cpu_quota=50_000), "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (metered, Limits(nano_cpus=1), "Nano CPUs cannot be updated as CPU Quota has already been set"),
    ):
        with pytest.raises(Conflict, match=message):
            bench.engine.update(container.id, limits)
    bench.engine.update(counted.id, Limits(nano_cpus=700_000_000))
    assert bench.engine.inspect_container(counted.id)["HostConfig"]["NanoCpus"] == 700_000_000


def test_restart_policy(bench: Bench) -> None:
    container = bench.start("sh", "-c", "sleep 100; :")
    bench.engine.update(container.id, Limits(), restart=RestartPolicy("always"))
    bench.engine.runtime(container.runtime).signal(container.id, 9)
    eventually(lambda: bench.engine.container(container.id).restarts == 1)
    bench.engine.update(container.id, Limits(), restart=RestartPolicy())
    eventually(lambda: bench.engine.container(container.id).status is Status.RUNNING)
    bench.engine.runtime(container.runtime).signal(container.id, 9)
    eventually(lambda: bench.engine.container(container.id).status is Status.EXITED)


def test_what_cannot_be_changed(bench: Bench) -> None:
    fleeting = bench.create("true", auto_remove=True)
    prefix = f"Cannot update container {fleeting.id}: "
    with pytest.raises(Conflict, match=f"{prefix}Restart policy cannot be updated because AutoRemove is enabled"):
        bench.engine.update(fleeting.id, Limits(), restart=RestartPolicy("always"))
    with pytest.raises(Conflict, match=f"{prefix}Memory limit should be smaller than already set memoryswap limit"):
        bench.engine.update(fleeting.id, Limits(memory=20 << 20))
    with pytest.raises(InvalidInput, match="invalid restart policy 'foo'"):
        bench.engine.update(fleeting.id, Limits(), restart=RestartPolicy("foo"))
    running = bench.start("sleep", "100")
    with pytest.raises(SampanError, match=f"Cannot update container {running.id}: "):
        bench.engine.update(running.id, Limits(cpuset_cpus="4000"))
    assert bench.engine.container(running.id).spec.limits == Limits()


def test_usage_of_network_and_processor(bench: Bench) -> None:
    script = "ping -c 1 -W 1 127.0.0.1; ping -c 2 -W 1 $(ip route | cut -d' ' -f3 | head -n 1); while :; do :; done"
    container = bench.start("sh", "-c", script, network="bridge")
    before = bench.engine.usage(container)
    eventually(lambda: bench.engine.usage(container).sent > 0)
    eventually(lambda: bench.engine.usage(container).group.cpu_total > before.group.cpu_total)
    assert bench.engine.usage(bench.create("true")).group.memory_usage == 0
