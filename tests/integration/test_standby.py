"""Containers run from a standby's fork as they do from a command of its own."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sampan import PATIENCE, Sampan


@pytest.fixture
def warm(sampan: Sampan) -> Iterator[Sampan]:
    """A store whose commands are carried out by a standby."""
    place = sampan.directory / "standby"
    sampan.environ |= {"SAMPAN_STANDBY": "1", "SAMPAN_STANDBY_DIR": str(place)}
    sampan.run("run", "--rm", "--network=none", "bb:1", "true")
    _until(lambda: _sockets(place))
    yield sampan
    sampan.environ["SAMPAN_STANDBY"] = "0"
    _until(lambda: _dismissed(place))
    shutil.rmtree(place)


def _sockets(place: Path) -> list[Path]:
    return [path for path in place.glob("*") if path.is_socket()]


def _standbys(place: Path) -> list[int]:
    """The pids that hold the locks there."""
    inodes = {str(path.stat().st_ino) for path in place.glob("*.lock")}
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" not in line]
    return [int(words[4]) for words in lines if words[5].rpartition(":")[2] in inodes]


def _dismissed(place: Path) -> bool:
    """End those that are there, and tell whether none was; one may have been only just starting before."""
    for pid in _standbys(place):
        os.kill(pid, signal.SIGTERM)
    return not list(place.iterdir())


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_containers_life(warm: Sampan) -> None:
    assert warm.run("run", "--rm", "bb:1", "echo", "hello") == "hello"
    assert warm.run("run", "--rm", "-i", "--network=none", "bb:1", "cat", stdin=b"typed") == "typed"
    assert warm.result("run", "--rm", "--network=none", "bb:1", "sh", "-c", "exit 7").returncode == 7
    assert warm.result("run", "--rm", "--network=none", "bb:1", "/no").returncode == 127
    warm.run("run", "-d", "--name", "cc", "--network=none", "bb:1", "sleep", "1000")
    assert warm.result("exec", "cc", "sh", "-c", "exit 5").returncode == 5
    (pid,) = _standbys(warm.directory / "standby")
    os.kill(pid, signal.SIGKILL)  # no container depends on it
    assert warm.state("cc") == "running"
    warm.run("rm", "-f", "cc")


def test_signals_reach_the_container(warm: Sampan) -> None:
    program = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    process = warm.popen("run", "--rm", "--network=none", "bb:1", "sh", "-c", program)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.communicate(timeout=PATIENCE)[0] == b"caught\n"
    assert process.returncode == 3


def test_a_terminal(warm: Sampan) -> None:
    terminal = warm.terminal("run", "--rm", "-it", "--network=none", "bb:1", "sh", size=(30, 100))
    terminal.expect("# ")
    terminal.type("stty size\n")
    terminal.expect("30 100")
    terminal.resize(40, 120)
    terminal.process.send_signal(signal.SIGWINCH)
    time.sleep(0.3)
    terminal.type("stty size\n")
    terminal.expect("40 120")
    terminal.type("sleep 100\n")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.type("exit 4\n")
    assert terminal.wait() == 4


def test_detaching_leaves_it_running(warm: Sampan) -> None:
    terminal = warm.terminal("run", "-it", "--name", "cc", "--network=none", "bb:1", "sh")
    terminal.expect("# ")
    terminal.type("\x10\x11")
    assert terminal.wait() == 0
    assert warm.state("cc") == "running"
    terminal = warm.terminal("exec", "-it", "cc", "sh", "-c", "echo inside; read x; exit 6")
    terminal.expect("inside")
    terminal.type("\n")
    assert terminal.wait() == 6
    warm.run("rm", "-f", "cc")


def test_killing_the_command_kills_the_fork_and_not_the_container(warm: Sampan) -> None:
    process = warm.popen("run", "--name", "cc", "--network=none", "bb:1", "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert warm.state("cc") == "running"
    warm.run("rm", "-f", "cc")
