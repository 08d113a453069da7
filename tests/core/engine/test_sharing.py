"""Tests of containers that share the pid and ipc namespaces of others, on real ones with either runtime."""

from __future__ import annotations

import os
import signal

import msgspec
import pytest
from tests.core.engine.containers import Bench, eventually

from sampan.engine import sharing
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import Container, RestartPolicy, Status, Volume
from sampan.store import owner

LOOK = "for kind in pid ipc; do stat -c %N /proc/self/ns/$kind; done"


def _links(pid: int | str) -> list[str]:
    return [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("pid", "ipc")]


def _at(donor: Container) -> str:
    return f"container:{donor.id}"


def test_processes_are_those_of_the_other(any_runtime: Bench) -> None:
    donor = any_runtime.start("sleep", "100")
    output = any_runtime.shell(f"{LOOK}; ps", pid_mode=f"container:{donor.name}")
    pid, ipc = _links(donor.pid)
    assert pid in output and ipc not in output
    assert "1 root     sleep 100" in output
    assert any_runtime.engine.container(donor.id).status is Status.RUNNING


def test_who_shares_ends_with_the_other(bench: Bench) -> None:
    donor = bench.start("sleep", "100")
    other = bench.start("sleep", "100", pid_mode=_at(donor))
    bench.engine.kill(donor.id)
    assert bench.engine.wait(other.id) == 137


def test_the_other_survives_the_end_of_who_shares_and_all_of_its(bench: Bench) -> None:
    donor = bench.start("sleep", "100")
    assert bench.run("sh", "-c", "sleep 77 & exit 3", pid_mode=_at(donor))[0] == 3
    assert "sleep 77" not in bench.shell("ps", pid_mode=_at(donor))
    assert bench.engine.container(donor.id).alive


def test_memory_is_that_of_the_other(any_runtime: Bench) -> None:
    donor = any_runtime.start("sh", "-c", "echo told > /dev/shm/x; sleep 100", ipc_mode="shareable", shm_size=1 << 20)
    script = f"until test -s /dev/shm/x; do sleep 0.05; done; cat /dev/shm/x; stat -f -c %b /dev/shm; {LOOK}"
    output = any_runtime.shell(script, ipc_mode=_at(donor))
    pid, ipc = _links(donor.pid)
    assert output.startswith("told\n256\n")
    assert ipc in output and pid not in output


def test_memory_is_handed_on_and_outlives_who_had_it_first(bench: Bench) -> None:
    first = bench.start("sleep", "100", ipc_mode="shareable")
    second = bench.start("sh", "-c", "echo told > /dev/shm/x; sleep 100", ipc_mode=_at(first))
    bench.engine.remove(first.id, force=True)
    script = f"until test -s /dev/shm/x; do sleep 0.05; done; cat /dev/shm/x; {LOOK}"
    output = bench.shell(script, ipc_mode=_at(second))
    assert "told" in output and _links(second.pid)[1] in output


def test_what_a_container_puts_at_its_memorys_place_is_not_handed_on(bench: Bench) -> None:
    donor = bench.start(
        "sh", "-c", "mount -t tmpfs none /dev/shm && echo own > /dev/shm/x && sleep 100",
        ipc_mode="shareable", privileged=True,
    )
    eventually(lambda: os.path.exists(f"/proc/{donor.pid}/root/dev/shm/x"))
    assert bench.shell("ls /dev/shm", ipc_mode=_at(donor)) == ""


def test_a_users_mount_is_there_instead(bench: Bench) -> None:
    own = Volume(kind="tmpfs", target="/dev/shm", options=("size=64k",))
    donor = bench.start("sleep", "100", ipc_mode="shareable")
    assert bench.shell("stat -f -c %b /dev/shm", ipc_mode=_at(donor), volumes=(own,)) == "16\n"


def test_what_another_has_of_the_host_is_shared_as_the_hosts(bench: Bench) -> None:
    donor = bench.start("sleep", "100", pid_mode="host", ipc_mode="host")
    output = bench.shell(f"{LOOK}; stat -f -c %b /dev/shm", pid_mode=_at(donor), ipc_mode=_at(donor))
    assert all(link in output for link in _links("self"))
    assert output.split()[-1] == str(os.statvfs("/dev/shm").f_blocks)
    # It is the host's, whatever way it was come by: not for a container to set.
    host = bench.create("true", ipc_mode=_at(donor), sysctls={"kernel.msgmax": "8192"})
    with pytest.raises(InvalidInput, match="not allowed in the hosts ipc namespace"):
        bench.engine.start(host.id)


def test_no_process_1_of_its_own(bench: Bench) -> None:
    donor = bench.start("sleep", "100")
    assert "docker-init" not in bench.shell("ps", pid_mode=_at(donor), init=True)
    bench.shell("! test -e /sbin/docker-init", pid_mode="host", init=True)


def test_another_is_joined_by_id_whatever_it_is_called_then(bench: Bench) -> None:
    donor = bench.start("sleep", "100", name="one", ipc_mode="shareable")
    container = bench.create("true", pid_mode="container:one", ipc_mode="container:one")
    assert (container.spec.pid_mode, container.spec.ipc_mode) == (_at(donor), _at(donor))
    bench.engine.rename("one", "two")
    bench.engine.start(container.id)
    assert bench.engine.wait(container.id) == 0


def test_nobody_is_joined_who_is_not_there(bench: Bench) -> None:
    for mode in ("pid_mode", "ipc_mode"):
        with pytest.raises(NotFound, match=r"^No such container: nosuch$"):
            bench.create("true", **{mode: "container:nosuch"})
        with pytest.raises(NotFound, match=r"^No such container: me$"):
            bench.create("true", name="me", **{mode: "container:me"})
    with pytest.raises(InvalidInput, match="can't join IPC of container : invalid name or ID supplied"):
        bench.create("true", ipc_mode="container:")
    assert bench.engine.containers(all=True) == []


@pytest.mark.parametrize(("mode", "words"), [
    ("pid_mode", "container {} is not running"),
    ("ipc_mode", "can't join IPC of container {}: container {} is not running"),
])  # fmt: skip
def test_nobody_is_joined_who_does_not_run(bench: Bench, mode: str, words: str) -> None:
    donor = bench.create("true", ipc_mode="shareable")
    container = bench.create("true", **{mode: _at(donor)})
    with pytest.raises(Conflict) as refused:
        bench.engine.start(container.id)
    assert refused.value.message == words.format(donor.id, donor.id)
    record = bench.engine.container(container.id)
    assert (record.status, record.exit_code, record.error) == (Status.CREATED, 128, refused.value.message)


@pytest.mark.parametrize(("mode", "words"), [
    ("pid_mode", "cannot join PID of a non running container: {}: No such container: {}"),
    ("ipc_mode", "can't join IPC of container {}: No such container: {}"),
])  # fmt: skip
def test_nobody_is_joined_who_has_gone(bench: Bench, mode: str, words: str) -> None:
    donor = bench.create("true", ipc_mode="shareable")
    container = bench.create("true", **{mode: _at(donor)})
    bench.engine.remove(donor.id)
    with pytest.raises(NotFound) as refused:
        bench.engine.start(container.id)
    assert refused.value.message == words.format(donor.id, donor.id)


def test_nobody_is_joined_who_restarts(bench: Bench) -> None:
    donor = bench.start("false", restart=RestartPolicy("always"))
    container = bench.create("true", pid_mode=_at(donor))
    eventually(lambda: bench.engine.container(donor.id).restarts > 3)  # from here on it waits for a second and more
    eventually(lambda: bench.engine.container(donor.id).status is Status.RESTARTING)
    with pytest.raises(Conflict, match=f"Container {donor.id} is restarting, wait until the container is running"):
        bench.engine.start(container.id)


@pytest.mark.parametrize("mode", ["", "private", "none"])
def test_what_is_not_shareable_is_not_shared(bench: Bench, mode: str) -> None:
    donor = bench.start("sleep", "100", ipc_mode=mode)
    container = bench.create("true", ipc_mode=_at(donor))
    with pytest.raises(Conflict) as refused:
        bench.engine.start(container.id)
    assert refused.value.message == (
        f"can't join IPC of container {donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor "
        "container)"
    )


def test_a_pid_that_is_another_processs_by_now_is_not_joined(bench: Bench) -> None:
    donor = bench.start("sleep", "100")
    with pytest.raises(Conflict, match="is not running"):
        sharing.open_namespace(bench.engine, msgspec.structs.replace(donor, pid=os.getpid()), "pid")
    os.close(sharing.open_namespace(bench.engine, donor, "pid"))


def test_who_shares_can_be_started_again(bench: Bench) -> None:
    donor = bench.start("sleep", "100", ipc_mode="shareable")
    container = bench.start("true", pid_mode=_at(donor), ipc_mode=_at(donor))
    assert bench.engine.wait(container.id) == 0
    bench.engine.restart(donor.id, timeout=0)
    bench.engine.start(container.id)
    assert bench.engine.wait(container.id) == 0


def test_shared_memory_goes_with_a_killed_monitor(bench: Bench) -> None:
    donor = bench.start("sleep", "100", ipc_mode="shareable")
    other = bench.start("sleep", "100", ipc_mode=_at(donor))
    for container in (other, donor):
        os.kill(owner.pid_of(container.monitor), signal.SIGKILL)
        eventually(lambda one=container: not bench.engine.container(one.id).alive)  # type: ignore[misc]
