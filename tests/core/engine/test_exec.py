"""Tests of running further processes in a running container."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator

import pytest
from tests.core.engine.containers import PATIENCE, Bench

from sampan.contracts.runtime import Stdio
from sampan.engine.exec_ import ExecRequest, Execution
from sampan.errors import CommandNotExecutable, CommandNotFound, Conflict, NotFound
from sampan.model.container import Container


@pytest.fixture
def running(any_runtime: Bench) -> Iterator[tuple[Bench, Container]]:
    """A bench and a container in it that sleeps."""
    yield any_runtime, any_runtime.start("sleep", "100", env=("OWN=1", "BOTH=first"), network="bridge")


def run(bench: Bench, container: Container, *command: str, **request: object) -> tuple[int, str]:
    """Run to the end; return exit code and output."""
    reader, writer = os.pipe()
    try:
        execution = bench.engine.exec(
            container.id, ExecRequest(command=command, **request), Stdio(None, writer, writer))  # type: ignore[arg-type]
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return execution.wait(), _read(reader)


def _read(descriptor: int) -> str:
    content = b""
    try:
        while select.select([descriptor], [], [], PATIENCE)[0]:
            chunk = os.read(descriptor, 65536)
            if not chunk:
                break
            content += chunk
    except OSError:
        pass  # a terminal whose other side is gone
    finally:
        os.close(descriptor)
    return content.decode()


def test_it_is_in_the_container(running: tuple[Bench, Container]) -> None:
    bench, container = running
    code, output = run(bench, container, "sh", "-c", "hostname; ps -o pid,args; ls /sys/class/net; exit 12")
    assert code == 12
    assert container.short_id in output and "sleep 100" in output and "eth0" in output
    (pids,) = [bench.engine.runtime(container.runtime).pids(container.id)]
    assert pids == [container.pid]


def test_exit_codes(running: tuple[Bench, Container]) -> None:
    bench, container = running
    assert run(bench, container, "sh", "-c", "kill -9 $$")[0] == 137
    with pytest.raises(CommandNotFound):
        run(bench, container, "nope")
    with pytest.raises(CommandNotExecutable):
        run(bench, container, "/etc/plain")
    assert bench.engine.container(container.id).alive


def test_environment(running: tuple[Bench, Container]) -> None:
    bench, container = running
    code, output = run(bench, container, "env", env=("BOTH=second", "NEW=x=y"))
    assert code == 0
    expected = {"OWN=1", "BOTH=second", "NEW=x=y", "HOME=/root", f"HOSTNAME={container.short_id}"}
    assert expected <= set(output.split("\n"))
    assert "TERM=" not in output


@pytest.mark.parametrize(
    ("user", "shown", "home"),
    [
        ("", "uid=0(root) gid=0(root)", "/root"),
        ("alice", "uid=1000(alice) gid=100(users) groups=10(wheel),100(users)\n", "/home/alice"),
        ("1000:10", "uid=1000(alice) gid=10(wheel)", "/home/alice"),
        ("12:34", "uid=12 gid=34", "/"),
    ],
)
def test_user(running: tuple[Bench, Container], user: str, shown: str, home: str) -> None:
    bench, container = running
    code, output = run(bench, container, "sh", "-c", "id; echo $HOME; cat /proc/self/status", user=user)
    assert code == 0 and output.split("\n")[1] == home
    assert output.startswith(shown)
    effective = next(line.split()[1] for line in output.split("\n") if line.startswith("CapEff"))
    assert (int(effective, 16) == 0) == (user != "")


def test_directory(running: tuple[Bench, Container]) -> None:
    bench, container = running
    assert run(bench, container, "pwd") == (0, "/\n")
    assert run(bench, container, "pwd", workdir="/home/alice") == (0, "/home/alice\n")


def test_privileged(running: tuple[Bench, Container]) -> None:
    bench, container = running
    shown = {}
    for privileged in (False, True):
        _, output = run(bench, container, "grep", "CapEff", "/proc/self/status", privileged=privileged)
        shown[privileged] = int(output.split()[1], 16)
    assert shown[False] == 0xA80425FB and shown[True] & (1 << 21)  # Docker's set, and CAP_SYS_ADMIN


def test_terminal(running: tuple[Bench, Container]) -> None:
    bench, container = running
    script = "tty; stty size; echo $TERM; read x; echo got $x; exit 3"
    request = ExecRequest(command=("sh", "-c", script), terminal=True, console_size=(33, 99))
    execution = bench.engine.exec(container.id, request, Stdio())
    assert execution.console is not None
    os.write(execution.console, b"word\n")
    code = execution.wait()
    output = _read(execution.console)
    assert code == 3
    assert "/dev/pts/" in output and "33 99" in output and "xterm" in output and "got word" in output


def test_its_input(running: tuple[Bench, Container]) -> None:
    bench, container = running
    given, typed = os.pipe()
    reader, writer = os.pipe()
    execution = bench.engine.exec(container.id, ExecRequest(command=("cat",)), Stdio(given, writer, writer))
    os.close(given)
    os.close(writer)
    os.write(typed, b"piped")
    os.close(typed)
    assert _read(reader) == "piped"
    assert execution.wait() == 0


def test_the_end_of_the_container_ends_it(running: tuple[Bench, Container]) -> None:
    bench, container = running
    execution = bench.engine.exec(container.id, ExecRequest(command=("sleep", "100")), Stdio())
    bench.engine.kill(container.id)
    assert execution.wait() == 137


def test_what_is_not_running_or_paused(running: tuple[Bench, Container]) -> None:
    bench, container = running
    with pytest.raises(NotFound):
        bench.engine.exec("nobody", ExecRequest(command=("true",)), Stdio())
    runtime = bench.engine.runtime(container.runtime)
    runtime.pause(container.id)  # type: ignore[attr-defined]  # both that are bundled are Pauses
    with pytest.raises(Conflict, match="is paused"):
        run(bench, container, "true")
    runtime.resume(container.id)  # type: ignore[attr-defined]
    bench.engine.kill(container.id)
    with pytest.raises(Conflict, match=f"Container {container.id} is not running"):
        run(bench, container, "true")


def test_what_is_executed_is_told_of_while_it_is(running: tuple[Bench, Container]) -> None:
    bench, container = running

    def told() -> object:
        return bench.engine.inspect_container(container.id)["ExecIDs"]

    def execute(*command: str) -> Execution:
        return bench.engine.exec(container.id, ExecRequest(command=command), Stdio(None, None, None))

    assert told() is None
    lasting, other = execute("sleep", "100"), execute("sleep", "100")
    happened = bench.engine.events(since=0, until=time.time_ns(), filters={"event": ["exec_start"]})
    assert told() == sorted(event["Actor"]["Attributes"]["execID"] for event in happened)
    os.kill(other.pid, signal.SIGKILL)  # its keeper: nobody tells of the end
    other.wait()
    with pytest.raises(CommandNotFound):
        execute("nosuch")
    (left,) = told()  # type: ignore[misc]
    assert len(left) == 64
    run(bench, container, "sh", "-c", "kill -9 $(ps -o pid,args | grep 'sleep 100' | grep -v '^ *1 ' | cut -c-6)")
    assert lasting.wait() == 137
    assert told() is None
    for name in os.listdir(bench.engine.layout.locks):
        os.unlink(f"{bench.engine.layout.locks}/{name}")
