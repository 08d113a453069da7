from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sampan.errors import NotFound
from sampan.kernel import capabilities, libc, loopback, namespaces, processes

Runner = Callable[[Callable[[], Any]], Any]


def test_the_living_and_the_dead() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        start = processes.started(process.pid)
        assert processes.alive(process.pid, start)
        assert not processes.alive(process.pid, start + 1)
        processes.send_signal(process.pid, start, 9)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not processes.alive(process.pid, start), "a zombie is dead"
    with pytest.raises(NotFound):
        processes.send_signal(process.pid, start, 0)


def test_a_recycled_pid_is_not_signalled() -> None:
    with pytest.raises(NotFound):
        processes.send_signal(os.getpid(), 1, 0)


def test_subreaper(forked: Runner) -> None:
    def body() -> tuple[bool, bool]:
        before = processes.is_subreaper()
        processes.become_subreaper()
        return before, processes.is_subreaper()

    assert forked(body) == (False, True)


def test_no_new_privileges_and_keyring(forked: Runner) -> None:
    def body() -> str:
        processes.new_session_keyring()
        processes.forbid_new_privileges()
        with open("/proc/self/status") as file:
            return file.read()

    assert "NoNewPrivs:\t1" in forked(body)


def test_hidden_from_other_users(forked: Runner) -> None:
    def body() -> int:
        processes.hide()
        return libc.prctl(3)  # PR_GET_DUMPABLE

    assert forked(body) == 0


def test_loopback_of_a_new_namespace(forked: Runner) -> None:
    def body() -> str:
        namespaces.create(namespaces.flag("network"))
        loopback.bring_up()
        loopback.bring_up()
        with open("/sys/class/net/lo/flags") as file:
            return file.read()

    forked(body)

    def reachable() -> bytes:
        import socket

        namespaces.create(namespaces.flag("network"))
        loopback.bring_up()
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            client.sendall(b"x")
            with server.accept()[0] as accepted:
                return accepted.recv(1)

    assert forked(reachable) == b"x"


def test_capabilities_are_limited_and_assigned(forked: Runner) -> None:
    def body() -> tuple[int, int, bool]:
        wanted = capabilities.mask(["CAP_CHOWN", "CAP_KILL"])
        capabilities.limit(wanted)
        capabilities.assign(wanted, wanted, wanted, capabilities.mask(["CAP_KILL"]))
        try:
            capabilities.assign(wanted, wanted | 1 << 21, 0)
        except PermissionError:
            return capabilities.bounding(), capabilities.permitted(), True
        return 0, 0, False

    wanted = capabilities.mask(["CAP_CHOWN", "CAP_KILL"])
    assert forked(body) == (wanted, wanted, True)


def test_capability_names() -> None:
    assert capabilities.names(capabilities.mask(["CAP_BPF", "CAP_CHOWN", "CAP_NEW"])) == ["CAP_CHOWN", "CAP_BPF"]
    assert capabilities.mask(capabilities.NAMES) == (1 << 41) - 1


def test_errors_name_their_object() -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/target"):
        libc.mount("x", "/no/such/target", "tmpfs")


def test_reserved_signals_are_restored():
    # As a child of glibc's posix_spawn has them.
    program = """
import ctypes
from sampan.kernel import libc, processes
def ignored():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("SigIgn")) >> 31 & 3
action = (ctypes.c_ulong * 4)(1)
for number in (32, 33):
    libc.syscall("rt_sigaction", number, ctypes.addressof(action), None, 8)
assert ignored() == 3
processes.restore_reserved_signals()
assert ignored() == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True)
