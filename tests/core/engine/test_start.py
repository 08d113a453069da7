"""Tests of starting containers: exit codes, failures that leave no trace, and starting again."""

from __future__ import annotations

import pytest
from tests.core.engine.containers import Bench, eventually, leftovers

from sampan.errors import (
    AlreadyExists,
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    InvalidInput,
    NotFound,
    SampanError,
)
from sampan.model.container import Limits, Status


def test_output_errors_and_exit_code(any_storage: Bench) -> None:
    assert any_storage.run("sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\nerr\n")


def test_each_runtime(any_runtime: Bench) -> None:
    assert any_runtime.run("sh", "-c", "echo $$; kill -0 1; exit 7") == (7, "1\n")


@pytest.mark.parametrize("network", ["none", "bridge", "host"])
def test_each_network(bench: Bench, network: str) -> None:
    links = bench.shell("ls /sys/class/net", network=network).split()
    assert "lo" in links
    assert ("eth0" in links) or network != "bridge"
    assert links == ["lo"] or network != "none"


def test_a_signal_is_128_more(bench: Bench) -> None:
    container = bench.start("sleep", "100", init=False)
    bench.engine.kill(container.id, "KILL")
    assert bench.engine.wait(container.id) == 137
    assert bench.run("sh", "-c", "sh -c 'kill -TERM $$'; exit $?") == (143, "Terminated\n")


def test_record_of_a_run(bench: Bench) -> None:
    container = bench.start("sh", "-c", "sleep 100")
    assert container.status is Status.RUNNING and container.pid and container.started > container.created
    assert container.monitor and container.finished == 0
    bench.engine.kill(container.id)
    ended = bench.engine.container(container.id)
    assert (ended.status, ended.pid, ended.exit_code, ended.monitor, ended.error) == (Status.EXITED, 0, 137, "", "")
    assert ended.finished >= ended.started


@pytest.mark.parametrize("attach", [False, True])
@pytest.mark.parametrize(
    ("command", "error", "code"),
    [("nope", CommandNotFound, 127), ("/bin/nope", CommandNotFound, 127), ("/etc/plain", CommandNotExecutable, 126),
     ("/etc", CommandNotExecutable, 126)],
)
def test_bad_commands_leave_no_trace(
    any_runtime: Bench, command: str, error: type[Exception], code: int, attach: bool
) -> None:
    container = any_runtime.create(command, network="bridge")
    with pytest.raises(error):
        any_runtime.engine.start(container.id, attach=attach)
    after = any_runtime.engine.container(container.id)
    # As Docker does: still created, never started, with the code and the reason.
    assert (after.status, after.exit_code, after.pid, after.monitor) == (Status.CREATED, code, 0, "")
    assert command in after.error and after.started == after.finished == 0
    eventually(lambda: leftovers(any_runtime.engine, any_runtime.made) == [])
    any_runtime.engine.remove(container.id)


def test_other_failures_are_128_and_undone(bench: Bench) -> None:
    container = bench.create("true", network="bridge", sysctls={"net.ipv4.nonsense": "1"})
    with pytest.raises(SampanError, match="nonsense"):
        bench.engine.start(container.id)
    after = bench.engine.container(container.id)
    assert (after.status, after.exit_code, after.monitor) == (Status.CREATED, 128, "") and after.error
    eventually(lambda: leftovers(bench.engine, bench.made) == [])


def test_auto_remove(bench: Bench) -> None:
    assert bench.run("sh", "-c", "echo bye; exit 4", auto_remove=True, name="brief") == (4, "bye\n")
    with pytest.raises(NotFound):
        bench.engine.container("brief")
    bench.create("true", name="brief")


def test_auto_remove_when_the_start_fails(bench: Bench) -> None:
    container = bench.create("nope", auto_remove=True, name="brief")
    with pytest.raises(CommandNotFound):
        bench.engine.start(container.id)
    with pytest.raises(NotFound):
        bench.engine.container(container.id)
    bench.create("true", name="brief")


def test_a_running_container_is_left_alone(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    assert bench.engine.start(container.id) is None
    attachment = bench.engine.start(container.name, attach=True)
    assert attachment is not None
    attachment.close()
    assert bench.engine.container(container.id).pid == container.pid


def test_starting_again_keeps_the_files(any_storage: Bench) -> None:
    container = any_storage.create("sh", "-c", "echo x >> /seen; cat /seen", network="bridge")
    outputs = []
    for _ in range(3):
        attachment = any_storage.engine.start(container.id, attach=True)
        assert attachment is not None
        with attachment:
            outputs.append(b"".join(content for _, content in attachment.frames()))
        assert attachment.exit_code == 0
    assert outputs == [b"x\n", b"x\nx\n", b"x\nx\nx\n"]


def test_limits_reach_the_kernel(bench: Bench) -> None:
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max"
    assert bench.shell(script, limits=Limits(memory=64 << 20, pids=20)).split() == [str(64 << 20), "20"]


def test_bad_requests_are_refused_when_created(bench: Bench) -> None:
    bench.create("true", name="taken")
    with pytest.raises(AlreadyExists, match="already in use"):
        bench.create("true", name="taken")
    with pytest.raises(InvalidInput, match="No command specified"):
        bench.create()
    with pytest.raises(InvalidInput, match="Invalid signal: LOUD"):
        bench.create("true", stop_signal="LOUD")
    with pytest.raises(NotFound, match="network nowhere not found"):
        bench.create("true", network="nowhere")
    assert len(bench.engine.containers(all=True)) == 1
    assert leftovers(bench.engine, bench.made) == []


def test_what_is_being_removed_does_not_start(bench: Bench) -> None:
    container = bench.create("true")
    bench.engine.store.containers.update(container.id, status=Status.REMOVING)
    with pytest.raises(Conflict, match="it is removing"):
        bench.engine.start(container.id)
    bench.engine.store.containers.update(container.id, status=Status.CREATED)


def test_the_kernel_takes_the_network_away(bench: Bench) -> None:
    container = bench.start("sleep", "100", network="bridge")
    (endpoint,) = container.endpoints
    bench.engine.kill(container.id)
    with open("/proc/net/dev") as file:
        assert endpoint.host_interface not in file.read()
    eventually(lambda: leftovers(bench.engine, bench.made) == [])
