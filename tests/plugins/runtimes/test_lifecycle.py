"""What the contract of runtimes promises, kept by each."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from sampan.errors import AlreadyExists, CommandNotExecutable, CommandNotFound, Conflict, InvalidInput, NotFound
from sampan.kernel import processes
from sampan.model import runtime_spec as oci


def test_runs_the_command_and_tells_its_exit_code(box: Any) -> None:
    assert box.run("sh", "-c", "echo hello; exit 3") == (3, "hello\n")


def test_created_but_not_started_runs_nothing(box: Any) -> None:
    box.create("touch", "/began")
    assert not (box.rootfs / "began").exists()
    box.runtime.start(box.id)
    assert box.wait() == 0
    assert (box.rootfs / "began").exists()


def test_first_process_is_the_callers_child_and_dies_with_its_namespace(box: Any) -> None:
    box.begin("sh", "-c", "sleep 1000 & sleep 1000")
    pids = box.runtime.pids(box.id)
    assert box.pid in pids
    box.runtime.signal(box.id, signal.SIGKILL)
    assert box.wait() == -signal.SIGKILL
    assert box.runtime.pids(box.id) == []


def test_signal_reaches_the_first_process(box: Any) -> None:
    box.begin("sh", "-c", "trap 'exit 7' USR1; touch /ready; while true; do sleep 0.02; done")
    _until(lambda: (box.rootfs / "ready").exists())
    box.runtime.signal(box.id, signal.SIGUSR1)
    assert box.wait() == 7


def test_signal_to_a_dead_container_is_not_found(box: Any) -> None:
    box.run("true")
    with pytest.raises(NotFound):
        box.runtime.signal(box.id, signal.SIGTERM)


def test_delete_refuses_a_running_container_unless_forced(box: Any) -> None:
    box.begin("sleep", "1000")
    with pytest.raises(Conflict):
        box.runtime.delete(box.id)
    box.runtime.delete(box.id, force=True)
    assert box.wait() == -signal.SIGKILL


def test_delete_of_what_is_gone_is_done(box: Any) -> None:
    box.run("true")
    box.runtime.delete(box.id)
    box.runtime.delete(box.id)
    box.runtime.delete("never-was", force=True)


def test_an_id_is_taken_until_deleted(box: Any) -> None:
    box.run("true")
    with pytest.raises(AlreadyExists):
        box.create("true")
    box.runtime.delete(box.id)
    assert box.run("true")[0] == 0


@pytest.mark.parametrize(("command", "kind", "message"), [
    ("foo", CommandNotFound, 'exec: "foo": executable file not found in $PATH'),
    ("/x", CommandNotFound, 'exec: "/x": stat /x: no such file or directory'),
    ("/etc/passwd", CommandNotExecutable, 'exec: "/etc/passwd": permission denied'),
    ("/etc", CommandNotExecutable, 'exec: "/etc": '),
])
def test_commands_that_cannot_run_are_told_before_start(
    box: Any, command: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        box.create(command)
    assert str(caught.value).startswith(message)
    assert box.runtime.pids(box.id) == []


def test_no_command_is_invalid(box: Any) -> None:
    box.spec.process.args = []
    with pytest.raises(InvalidInput):
        box.create()


def test_start_twice_is_a_conflict(box: Any) -> None:
    box.begin("sleep", "1000")
    with pytest.raises(Conflict):
        box.runtime.start(box.id)


def test_exec_runs_in_the_container(box: Any) -> None:
    box.begin("sleep", "1000")
    assert box.exec("sh", "-c", "hostname; exit 4") == (4, "box\n")


def test_exec_shares_every_namespace(box: Any) -> None:
    box.begin("sleep", "1000")
    kinds = ("mnt", "pid", "uts", "ipc", "net", "cgroup")
    _, output = box.exec("sh", "-c", "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds))
    assert output.split() == [os.readlink(f"/proc/{box.pid}/ns/{kind}") for kind in kinds]


def test_exec_joins_the_cgroup_and_shows_among_the_pids(box: Any) -> None:
    box.begin("sleep", "1000")
    _, output = box.exec("sh", "-c", "cat /proc/self/cgroup")
    with open(f"/proc/{box.pid}/cgroup") as file:
        assert len(output.splitlines()) == len(file.read().splitlines())
    from sampan.contracts.runtime import Stdio

    other = box.runtime.exec(box.id, box.process("sleep", "1000"), Stdio())
    assert sorted(box.runtime.pids(box.id)) == sorted([box.pid, other.pid])
    os.kill(other.pid, signal.SIGKILL)
    os.waitpid(other.pid, 0)


def test_exec_of_a_command_that_is_not_there(box: Any) -> None:
    box.begin("sleep", "1000")
    with pytest.raises(CommandNotFound, match=r'^exec: "foo": executable file not found in \$PATH'):
        box.exec("foo")
    with pytest.raises(CommandNotExecutable, match=r'^exec: "/etc/passwd": permission denied'):
        box.exec("/etc/passwd")


def test_exec_needs_a_running_container(box: Any) -> None:
    with pytest.raises(Conflict):
        box.exec("true")
    box.create("sleep", "1000")
    with pytest.raises(Conflict):
        box.exec("true")
    box.runtime.start(box.id)
    assert box.exec("true")[0] == 0
    box.runtime.signal(box.id, signal.SIGKILL)
    box.wait()
    with pytest.raises(Conflict):
        box.exec("true")


def test_exec_as_another_user_in_another_directory(box: Any) -> None:
    box.begin("sleep", "1000")
    user = oci.User(uid=1000, gid=1001, additional_gids=[7])
    code, output = box.exec("sh", "-c", "id; pwd; echo $A", user=user, cwd="/tmp", env=["PATH=/bin", "A=b=c"])
    assert (code, output) == (0, "uid=1000 gid=1001 groups=7\n/tmp\nb=c\n")


def test_pause_freezes_and_resume_thaws(box: Any) -> None:
    box.begin("sh", "-c", "while true; do echo . >> /ticks; sleep 0.01; done")
    _until(lambda: (box.rootfs / "ticks").exists())
    box.runtime.pause(box.id)
    with pytest.raises(Conflict):
        box.runtime.pause(box.id)
    with pytest.raises(Conflict):
        box.exec("true")
    size = (box.rootfs / "ticks").stat().st_size
    time.sleep(0.1)
    assert (box.rootfs / "ticks").stat().st_size == size
    box.runtime.resume(box.id)
    with pytest.raises(Conflict):
        box.runtime.resume(box.id)
    _until(lambda: (box.rootfs / "ticks").stat().st_size > size)


def test_a_paused_container_can_be_removed_by_force(box: Any) -> None:
    box.begin("sleep", "1000")
    box.runtime.pause(box.id)
    box.runtime.delete(box.id, force=True)
    assert box.wait() == -signal.SIGKILL


def test_containers_side_by_side(boxes: Callable[[], Any]) -> None:
    first, second = boxes(), boxes()
    first.begin("sleep", "1000")
    second.begin("sleep", "1000")
    assert set(first.runtime.pids(first.id)).isdisjoint(second.runtime.pids(second.id))
    first.runtime.delete(first.id, force=True)
    assert processes.started(second.pid)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_limits_change_while_it_runs(box: Any) -> None:
    box.spec.linux.resources.memory = oci.Memory(limit=64 << 20)
    box.begin("sleep", "1000")
    assert box.runtime.stats(box.id).memory_limit == 64 << 20
    box.runtime.update(box.id, oci.Resources(memory=oci.Memory(limit=128 << 20), pids=oci.Pids(limit=77)))
    box.runtime.update(box.id, oci.Resources(cpu=oci.CPU(shares=300)))
    told = box.runtime.stats(box.id)
    assert (told.memory_limit, told.pids_limit) == (128 << 20, 77)
    with open(f"/sys/fs/cgroup/cpu/sampan-test-{box.id}/cpu.shares") as file:
        assert file.read() == "300\n"
    code, _ = box.exec("sh", "-c", "mknod /tmp/kmsg c 1 11; head -c 1 /tmp/kmsg; echo x > /dev/null")
    assert code == 0


def test_statistics_count_what_it_uses(box: Any) -> None:
    box.spec.linux.resources.pids = None
    box.begin("sh", "-c", "head -c 8000000 /dev/zero > /dev/shm/x; touch /ready; sleep 1000; true")
    _until(lambda: (box.rootfs / "ready").exists())
    told = box.runtime.stats(box.id)
    assert told.cpu_total > 0 and told.pids_current == 2
    assert told.memory_usage >= told.memory_cache >= 8_000_000
    assert told.memory_limit is told.pids_limit is None


def test_only_what_runs_is_changed_and_measured(box: Any) -> None:
    for attempt in (lambda: box.runtime.stats(box.id), lambda: box.runtime.update(box.id, oci.Resources())):
        with pytest.raises(Conflict):
            attempt()
    box.run("true")
    with pytest.raises(Conflict):
        box.runtime.stats(box.id)


def test_a_limit_that_the_kernel_refuses(box: Any) -> None:
    box.begin("sleep", "1000")
    with pytest.raises(InvalidInput):
        box.runtime.update(box.id, oci.Resources(cpu=oci.CPU(cpus="4000")))
