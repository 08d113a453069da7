from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from sampan.errors import InvalidInput, NotFound, Unsupported
from sampan.kernel import cgroups
from sampan.kernel.cgroups import devices
from sampan.kernel.cgroups.group import Group
from sampan.kernel.cgroups.v2 import UnifiedGroup
from sampan.model import runtime_spec as oci

UNIFIED = "/sys/fs/cgroup/unified"


def _legacy() -> Group:
    return cgroups.open_group(f"/sampan-test-k{uuid.uuid4().hex[:12]}")


def _unified() -> Group:
    mounted = UNIFIED if os.path.exists(UNIFIED) else "/sys/fs/cgroup"
    return UnifiedGroup(f"sampan-test-k{uuid.uuid4().hex[:12]}", mounted)


@pytest.fixture(params=[_legacy, _unified])
def group(request: Any) -> Iterator[Group]:
    made: Group = request.param()
    made.create()
    yield made
    made.kill()
    made.remove()
    assert not any(os.path.exists(path) for path in made.directories.values())


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("path", ["/", "", "/a/../b", "/..", "//"])
def test_paths_that_climb_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        cgroups.open_group(path)


def test_creating_twice_and_removing_twice(group: Group) -> None:
    group.create()
    group.remove()
    group.remove()
    assert group.pids() == []


def test_processes_join_and_are_counted_and_killed(group: Group, sleeper: subprocess.Popen[bytes]) -> None:
    group.join(sleeper.pid)
    assert group.pids() == [sleeper.pid]
    group.kill()
    assert sleeper.wait(5) == -9
    assert group.pids() == []


def test_groups_below_are_killed_and_removed_too(group: Group, sleeper: subprocess.Popen[bytes]) -> None:
    for directory in group.directories.values():
        os.mkdir(f"{directory}/below")
        if "cpuset" not in directory:
            with open(f"{directory}/below/cgroup.procs", "w") as file:
                file.write(str(sleeper.pid))
    assert group.pids() == [sleeper.pid]
    group.kill()
    group.remove()
    assert sleeper.wait(5) == -9


def test_freezing_and_killing_what_is_frozen(group: Group, sleeper: subprocess.Popen[bytes]) -> None:
    group.join(sleeper.pid)
    assert not group.frozen()
    group.freeze()
    assert group.frozen()
    group.thaw()
    assert not group.frozen()
    group.freeze()
    group.kill()
    assert sleeper.wait(5) == -9


def test_the_caller_joins(group: Group) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            group.join()
            os._exit(0 if os.getpid() in group.pids() else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0


def test_values_the_kernel_refuses() -> None:
    group = _legacy()
    group.create()
    try:
        with pytest.raises(InvalidInput, match="CPUs"):
            group.apply(oci.Resources(cpu=oci.CPU(cpus="4000")))
        group.apply(oci.Resources(memory=oci.Memory(limit=8 << 20, swap=16 << 20, reservation=4 << 20),
                                  pids=oci.Pids(limit=-1), block_io=oci.BlockIO(weight=500)))
    finally:
        group.remove()


@pytest.mark.parametrize(("rules", "null", "zero"), [
    ([oci.DeviceRule(allow=False)], False, False),
    ([oci.DeviceRule(allow=False), oci.DeviceRule(allow=True, type="c", major=1, minor=3, access="rwm")], True, False),
    ([oci.DeviceRule(allow=False), oci.DeviceRule(allow=True, type="c", major=1)], True, True),
    ([oci.DeviceRule(allow=True), oci.DeviceRule(allow=False, type="c", major=1, minor=5, access="w")], True, False),
    ([oci.DeviceRule(allow=False), oci.DeviceRule(allow=True, type="c", major=1, access="r")], False, False),
    ([oci.DeviceRule(allow=False), oci.DeviceRule(allow=True, type="b")], False, False),
    ([oci.DeviceRule(allow=True)], True, True),
])
def test_the_device_program_lets_through_what_the_rules_do(
    rules: list[oci.DeviceRule], null: bool, zero: bool
) -> None:
    group = _unified()
    group.create()
    try:
        devices.restrict(group.directories[""], rules)
        pid = os.fork()
        if pid == 0:
            try:
                group.join()
                os._exit(_writable("/dev/null") | _writable("/dev/zero") << 1)
            finally:
                os._exit(100)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == int(null) | int(zero) << 1
    finally:
        group.kill()
        group.remove()


def _writable(path: str) -> int:
    try:
        os.close(os.open(path, os.O_WRONLY))
    except PermissionError:
        return 0
    return 1


def test_malformed_device_rules() -> None:
    with pytest.raises(InvalidInput):
        devices.compile_rules([oci.DeviceRule(allow=True, type="x")])


def test_statistics(group: Group, sleeper: subprocess.Popen[bytes]) -> None:
    group.join(sleeper.pid)
    told = group.stats()
    assert told.cpu_total >= 0 and told.memory_limit is None and told.pids_limit is None


def test_what_is_killed_for_want_of_memory_is_counted() -> None:
    group = cgroups.open_group(f"/sampan-test-k{uuid.uuid4().hex[:12]}")
    assert group.oom_kills() == 0
    group.create()
    try:
        group.apply(oci.Resources(memory=oci.Memory(limit=8 << 20)))
        assert group.oom_kills() == 0
        done = subprocess.run(["tail", "/dev/zero"], preexec_fn=group.join)
        assert (done.returncode, group.oom_kills()) == (-9, 1)
    finally:
        group.remove()


def test_the_group_of_a_process(sleeper: subprocess.Popen[bytes]) -> None:
    group = _legacy()
    group.create()
    try:
        group.join(sleeper.pid)
        assert cgroups.group_of(sleeper.pid).pids() == [sleeper.pid]
        group.kill()
        sleeper.wait(5)
        with pytest.raises(NotFound):
            cgroups.group_of(sleeper.pid)
    finally:
        group.remove()


def test_limits_of_both_kinds_of_memory_rise_and_fall_together() -> None:
    group = _legacy()
    group.create()
    try:
        for size in (8 << 20, 64 << 20, 8 << 20):
            group.apply(oci.Resources(memory=oci.Memory(limit=size, swap=2 * size)))
            assert group.stats().memory_limit == size
    finally:
        group.remove()


def test_limits_of_the_other_version_are_refused() -> None:
    group = _legacy()
    with pytest.raises(Unsupported, match="unified"):
        group.apply(oci.Resources(unified={"memory.high": "max"}))
    with pytest.raises(Unsupported, match="network traffic"):
        _unified().apply(oci.Resources(network=oci.Network(class_id=1)))
    for name in ("cgroup.procs", "../x", "cgroup.kill"):
        with pytest.raises(InvalidInput):
            _unified().apply(oci.Resources(unified={name: "1"}))
