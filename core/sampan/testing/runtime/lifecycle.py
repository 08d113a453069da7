"""Check the life of a container: created, started, signalled, joined, ended, removed."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from sampan.contracts.runtime import Stdio
from sampan.errors import AlreadyExists, CommandNotExecutable, CommandNotFound, Conflict, InvalidInput, NotFound
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box, until, wait


class LifecycleTests:
    """What every runtime does."""

    def test_runs_the_command_and_tells_its_exit_code(self, box: Box) -> None:
        assert box.run("sh", "-c", "echo hello; exit 3") == (3, "hello\n")

    def test_created_but_not_started_runs_nothing(self, box: Box) -> None:
        box.create("touch", "/began")
        assert not (box.rootfs / "began").exists()
        box.runtime.start(box.id)
        assert box.wait() == 0
        assert (box.rootfs / "began").exists()

    def test_first_process_is_the_callers_child_and_dies_with_its_namespace(self, box: Box) -> None:
        box.begin("sh", "-c", "sleep 1000 & sleep 1000")
        pids = box.runtime.pids(box.id)
        assert box.pid in pids
        box.runtime.signal(box.id, signal.SIGKILL)
        assert box.wait() == -signal.SIGKILL
        assert box.runtime.pids(box.id) == []

    def test_signal_reaches_the_first_process(self, box: Box) -> None:
        box.begin("sh", "-c", "trap 'exit 7' USR1; touch /ready; while true; do sleep 0.02; done")
        until(lambda: (box.rootfs / "ready").exists())
        box.runtime.signal(box.id, signal.SIGUSR1)
        assert box.wait() == 7

    def test_signal_to_a_dead_container_is_not_found(self, box: Box) -> None:
        box.run("true")
        with pytest.raises(NotFound):
            box.runtime.signal(box.id, signal.SIGTERM)

    def test_delete_refuses_a_running_container_unless_forced(self, box: Box) -> None:
        box.begin("sleep", "1000")
        with pytest.raises(Conflict):
            box.runtime.delete(box.id)
        box.runtime.delete(box.id, force=True)
        assert box.wait() == -signal.SIGKILL

    def test_delete_of_what_is_gone_is_done(self, box: Box) -> None:
        box.run("true")
        box.runtime.delete(box.id)
        box.runtime.delete(box.id)
        box.runtime.delete("never-was", force=True)

    def test_an_id_is_taken_until_deleted(self, box: Box) -> None:
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
        self, box: Box, command: str, kind: type[Exception], message: str
    ) -> None:
        with pytest.raises(kind) as caught:
            box.create(command)
        assert str(caught.value).startswith(message)
        assert box.runtime.pids(box.id) == []

    def test_no_command_is_invalid(self, box: Box) -> None:
        box.spec.process.args = []
        with pytest.raises(InvalidInput):
            box.create()

    def test_start_twice_is_a_conflict(self, box: Box) -> None:
        box.begin("sleep", "1000")
        with pytest.raises(Conflict):
            box.runtime.start(box.id)

    def test_exec_runs_in_the_container(self, box: Box) -> None:
        box.begin("sleep", "1000")
        assert box.exec("sh", "-c", "hostname; exit 4") == (4, "box\n")

    def test_exec_shares_every_namespace(self, box: Box) -> None:
        box.begin("sleep", "1000")
        kinds = ("mnt", "pid", "uts", "ipc", "net", "cgroup")
        _, output = box.exec("sh", "-c", "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds))
        assert output.split() == [os.readlink(f"/proc/{box.pid}/ns/{kind}") for kind in kinds]

    def test_exec_joins_the_cgroup_and_shows_among_the_pids(self, box: Box) -> None:
        box.begin("sleep", "1000")
        _, output = box.exec("sh", "-c", "cat /proc/self/cgroup")
        with open(f"/proc/{box.pid}/cgroup") as file:
            assert len(output.splitlines()) == len(file.read().splitlines())

        other = box.runtime.exec(box.id, box.process("sleep", "1000"), Stdio())
        assert sorted(box.runtime.pids(box.id)) == sorted([box.pid, other.pid])
        os.kill(other.pid, signal.SIGKILL)
        assert wait(other.pid) == -signal.SIGKILL

    def test_exec_of_a_command_that_is_not_there(self, box: Box) -> None:
        box.begin("sleep", "1000")
        with pytest.raises(CommandNotFound, match=r'^exec: "foo": executable file not found in \$PATH'):
            box.exec("foo")
        with pytest.raises(CommandNotExecutable, match=r'^exec: "/etc/passwd": permission denied'):
            box.exec("/etc/passwd")

    def test_exec_needs_a_running_container(self, box: Box) -> None:
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

    def test_exec_as_another_user_in_another_directory(self, box: Box) -> None:
        box.begin("sleep", "1000")
        user = oci.User(uid=1000, gid=1001, additional_gids=[7])
        code, output = box.exec("sh", "-c", "id; pwd; echo $A", user=user, cwd="/tmp", env=["PATH=/bin", "A=b=c"])
        assert (code, output) == (0, "uid=1000 gid=1001 groups=7\n/tmp\nb=c\n")

    def test_containers_side_by_side(self, boxes: Callable[[], Box]) -> None:
        first, second = boxes(), boxes()
        first.begin("sleep", "1000")
        second.begin("sleep", "1000")
        assert set(first.runtime.pids(first.id)).isdisjoint(second.runtime.pids(second.id))
        first.runtime.delete(first.id, force=True)
        assert second.runtime.pids(second.id) == [second.pid]
