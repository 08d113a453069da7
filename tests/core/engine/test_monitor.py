"""Tests of what a monitor takes from the process that started it: nothing but the container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import Bench, bench_at, leftovers, python, settings_at

from sampan.engine.engine import Engine
from sampan.errors import SampanError
from sampan.model.container import Container, ContainerSpec, Status
from sampan.store import owner

_PROLOGUE = """
import os, signal, sys, threading, time, socket, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
settings = msgspec.json.decode(sys.argv[1], type=Settings)
engine = Engine(settings)
def monitor():
    from sampan.store import owner
    return owner.pid_of(engine.container("it").monitor)
def begin(**options):
    with engine.start("it", attach=True, **options) as attachment:
        assert attachment.receive()[0][1] == b"up\\n"
"""


def _caller(bench: Bench, program: str) -> str:
    """Run a program, as a caller of the library would be one, that starts the container ``it``; return its output."""
    bench.create("sh", "-c", "echo up; sleep 100", name="it", network="bridge")
    settings = msgspec.json.encode(bench.engine.settings).decode()
    caller = python(_PROLOGUE + program, settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = caller.communicate(timeout=30)[0].decode()
    assert caller.returncode == 0, output
    return output


def test_it_holds_nothing_of_its_callers(bench: Bench) -> None:
    program = """
reader, writer = os.pipe()
os.set_inheritable(writer, True)
server = socket.create_server(("127.0.0.1", 0))
begin()
os.close(writer)
assert os.read(reader, 1) == b""
port = server.getsockname()[1]
server.close()
socket.create_server(("127.0.0.1", port)).close()
for name in (0, 1, 2): print(name, os.readlink(f"/proc/{monitor()}/fd/{name}"))
print(os.getsid(0) != os.getsid(monitor()), os.readlink(f"/proc/{monitor()}/cwd"))
"""
    assert _caller(bench, program) == "0 /dev/null\n1 /dev/null\n2 /dev/null\nTrue /\n"


def test_it_never_writes_its_callers_buffers(bench: Bench) -> None:
    assert _caller(bench, "sys.stdout.write('once'); begin(); engine.stop('it', timeout=0)") == "once"


def test_its_callers_handlers_and_children_are_left_alone(bench: Bench) -> None:
    program = """
heard = []
def handler(number, frame): heard.append(number)
numbers = [signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP]
for number in numbers: signal.signal(number, handler)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
begin()
assert [signal.getsignal(number) for number in numbers] == [handler] * 5
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == {signal.SIGUSR2}
assert set(heard) <= {signal.SIGCHLD}
try: os.waitpid(-1, os.WNOHANG)
except ChildProcessError: print("no child")
with open(f"/proc/{monitor()}/status") as file:
    masks = {line.split(":")[0]: int(line.split()[1], 16) for line in file if line.startswith(("SigBlk", "SigCgt"))}
assert masks["SigBlk"] == 0 and masks["SigCgt"] & ~(1 << 31 | 1 << 32) == 0, masks
"""
    assert _caller(bench, program) == "no child\n"


@pytest.mark.parametrize("children", ["SIG_IGN", "SIG_DFL"])
def test_a_caller_that_ignores_its_children(bench: Bench, children: str) -> None:
    assert _caller(bench, f"signal.signal(signal.SIGCHLD, signal.{children}); begin(); print('fine')") == "fine\n"


def test_a_caller_without_standard_streams(bench: Bench) -> None:
    program = """
copy = os.dup(1)
for number in (0, 1, 2): os.close(number)
begin()
os.write(copy, b"fine")
"""
    assert _caller(bench, program) == "fine"


def test_a_caller_with_a_narrow_umask(bench: Bench) -> None:
    _caller(bench, "os.umask(0o077); begin()")
    container = bench.engine.container("it")
    for name in ("hosts", "resolv.conf", "hostname"):
        assert os.stat(f"/proc/{container.pid}/root/etc/{name}").st_mode & 0o777 == 0o644


def test_a_caller_with_threads(bench: Bench) -> None:
    # One of them is always inside an import or holds a lock; a forked copy could wait for it for ever.
    program = """
lock = threading.Lock()
def hold():
    with lock: time.sleep(60)
threading.Thread(target=hold, daemon=True).start()
store = engine.store
begin()
assert engine.store is store  # other threads may be using it
os._exit(0)
"""
    assert _caller(bench, program) == ""
    assert bench.engine.container("it").alive


def test_a_caller_with_two_engines(bench: Bench) -> None:
    program = """
other = Engine(settings)
other.containers()
begin()
assert other.container("it").alive
other.close()
engine.close()
print(engine.container("it").status)
"""
    assert _caller(bench, program) == "running\n"
    # Had the monitor gone on with the other connection's locks, closing that would have taken its log away.
    bench.engine.stop("it", timeout=0)
    assert bench.engine.container("it").exit_code == 137


def test_a_killed_caller_leaves_the_container(bench: Bench) -> None:
    _caller(bench, "begin(); sys.stdout.flush(); os.execvp('true', ['true'])")
    assert bench.engine.container("it").alive


def test_an_engine_may_be_closed_and_used_again(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    for _ in range(2):
        bench.engine.close()
        assert bench.engine.container(container.id).alive


def test_relative_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with bench_at(Path("relative")) as bench:
        assert bench.run("echo", "fine") == (0, "fine\n")
    assert os.listdir(tmp_path) == ["relative"]


def test_long_roots(tmp_path: Path) -> None:
    with bench_at(tmp_path / ("long" * 30)) as bench:
        container = bench.start("sleep", "100")
        bench.engine.attach(container.id).close()


def test_two_starts_at_once(bench: Bench) -> None:
    container = bench.create("sleep", "100", network="bridge")
    settings = msgspec.json.encode(bench.engine.settings).decode()
    program = _PROLOGUE + f"engine.start({container.id!r})"
    starting = [python(program, settings, stderr=subprocess.PIPE) for _ in range(4)]
    failures = [child.communicate(timeout=30)[1].decode() for child in starting]
    # All find it running in the end, or that another is at it.
    assert any(child.returncode == 0 for child in starting)
    assert all("Conflict" in text for text in failures if text)
    assert bench.engine.container(container.id).alive
    assert len(bench.engine.runtime(container.runtime).pids(container.id)) == 1


def test_a_full_log_does_not_end_the_container(bench: Bench) -> None:
    container = bench.create("sh", "-c", "echo lost; exit 3", log_driver="none")
    attachment = bench.engine.start(container.id, attach=True)
    assert attachment is not None
    with attachment:
        assert b"".join(content for _, content in attachment.frames()) == b"lost\n"
    assert attachment.exit_code == 3


def test_a_killed_start_is_in_nobodys_way(bench: Bench) -> None:
    container = bench.create("sleep", "100")
    # What a monitor leaves that was killed before it could say more than its name.
    dead = owner.current().rpartition("/")[0] + "/1"
    bench.engine.store.containers.update(container.id, monitor=dead)
    os.makedirs(f"{bench.engine.layout.runtime('native')}/{container.id}")
    bench.engine.start(container.id)
    assert bench.engine.container(container.id).alive


def test_what_fails_at_the_end_is_tried_again(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    # A directory in the way of the bundle's removal.
    obstacle = f"{bench.engine.layout.bundle(container.id)}/obstacle"
    os.mkdir(obstacle)
    bench.engine.kill(container.id)
    ended = bench.engine.container(container.id)
    assert (ended.status, ended.exit_code) == (Status.EXITED, 137) and "cannot clear up" in ended.error
    os.rmdir(obstacle)
    bench.engine.start(container.id)
    bench.engine.kill(container.id)
    assert bench.engine.container(container.id).error == ""


def test_settings_reach_a_monitor_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    with Engine(settings_at(tmp_path)) as other, bench_at(tmp_path / "x", log_driver="none") as bench:
        assert other.containers() == []
        container = bench.create("echo", "unheard")
        with Engine(bench.engine.settings) as second:
            second.containers()  # so that its connection is open, and the start does not fork
            bench.engine.start(container.id)
            bench.engine.wait(container.id)
        with pytest.raises(SampanError):
            list(bench.engine.logs(container.id))
        assert isinstance(bench.engine.container(container.id), Container)
        assert bench.engine.create(ContainerSpec(image="bb:1", command=("true",))).log_driver == "none"
        assert leftovers(bench.engine, bench.made) == []
