"""Docker and Podman run containers with sampan-oci as their runtime."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.docker import Docker
from tests.services.podman import Podman

PROGRAM = str(Path(sys.executable).parent / "sampan-oci")
APPLETS = ("sh", "true", "false", "echo", "sleep", "id", "cat", "tty", "mknod", "head", "hostname", "touch", "ls")
LOOP = "trap 'exit 9' TERM; echo up; while true; do sleep 0.05; done"
IMAGE = "oci-command:1"


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("busybox") / "rootfs.tar"
    with tarfile.open(path, "w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname, link.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
            tar.addfile(link)
    return path.read_bytes()


class Peer:
    """An engine that is told to use sampan-oci."""

    def __init__(self, engine: Docker | Podman, options: list[str], removal: list[str]) -> None:
        self.engine = engine
        self._removal = removal
        self.options = options
        self.name = f"t{os.urandom(6).hex()}"
        self._environ = getattr(engine, "environ", None)

    def result(self, *words: Any) -> subprocess.CompletedProcess[bytes]:
        return self.engine.result(*words)

    def output(self, *words: Any) -> str:
        return self.engine.run(*words)

    def run(self, *words: Any) -> subprocess.CompletedProcess[bytes]:
        return self.engine.result("run", *self.options, "--network", "none", *words)

    def begin(self, *words: Any) -> None:
        self.output("run", *self.options, "--network", "none", "-d", "--name", self.name, *words)

    def remove(self) -> None:
        self.engine.result("rm", *self._removal, self.name)

    def typed(self, text: bytes, *words: Any) -> tuple[int, str]:
        """Run a command at a terminal, type, and return exit code and what was shown."""
        pid, master = pty.fork()
        if pid == 0:
            line = self.engine.command(*words)
            os.execvpe(line[0], line, self._environ or os.environ)
        seen = b""
        while b"ready" not in seen:
            seen += os.read(master, 4096)
        os.write(master, text)
        try:
            while piece := os.read(master, 4096):
                seen += piece
        except OSError:  # the last user of the terminal is gone
            pass
        os.close(master)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def _docker(request: pytest.FixtureRequest, busybox: bytes) -> Peer:
    engine: Docker = request.getfixturevalue("docker")
    engine.run("import", "-", IMAGE, stdin=busybox)
    return Peer(engine, ["--runtime", "sampan"], ["-f"])


def _podman(request: pytest.FixtureRequest, busybox: bytes) -> Peer:
    engine: Podman = request.getfixturevalue("podman")
    configuration = engine.directory / "containers.conf"
    text = configuration.read_text()
    if PROGRAM not in text:
        configuration.write_text(text.replace('runtime = "runc"', f'runtime = "{PROGRAM}"'))
    engine.run("import", "-q", "-", IMAGE, stdin=busybox)
    return Peer(engine, [], ["-f", "-t", "0"])


@pytest.fixture(params=[
    pytest.param(_docker, marks=pytest.mark.xdist_group("docker"), id="docker"), pytest.param(_podman, id="podman"),
])
def peer(request: pytest.FixtureRequest, busybox: bytes) -> Iterator[Peer]:
    made = request.param(request, busybox)
    yield made
    made.remove()


def test_commands_end_as_they_should(peer: Peer) -> None:
    for words, code, said in (("echo hello", 0, b"hello\n"), ("false", 1, b""), ("nope", 127, b""), ("/bin", 126, b"")):
        done = peer.run("--rm", IMAGE, *words.split())
        assert (done.returncode, done.stdout) == (code, said), done


def test_a_container_in_the_background(peer: Peer) -> None:
    peer.begin("--memory", "64m", IMAGE, "sh", "-c", LOOP)
    _until(lambda: peer.output("logs", peer.name) == "up")
    done = peer.result("exec", peer.name, "sh", "-c", "id; exit 4")
    assert (done.returncode, done.stdout.startswith(b"uid=0")) == (4, True), done
    assert peer.result("exec", peer.name, "nope").returncode in (126, 127)
    assert "sh -c" in peer.output("top", peer.name)
    assert peer.name in peer.output("stats", "--no-stream", peer.name)
    peer.output("pause", peer.name)
    assert peer.output("inspect", "-f", "{{.State.Status}}", peer.name) == "paused"
    peer.output("unpause", peer.name)
    peer.output("stop", peer.name)
    assert peer.output("inspect", "-f", "{{.State.ExitCode}}", peer.name) == "9"
    peer.output("start", peer.name)
    peer.output("kill", peer.name)
    _until(lambda: peer.output("inspect", "-f", "{{.State.ExitCode}}", peer.name) == "137")
    peer.output("rm", peer.name)


def test_terminals(peer: Peer) -> None:
    script = "tty; echo ready; read x; echo got $x; exit 3"
    done = peer.typed(b"typed\n", "run", *peer.options, "--network", "none", "-it", "--name", peer.name, IMAGE, "sh",
                      "-c", script)
    assert done[0] == 3 and "got typed" in done[1], done
    peer.remove()
    peer.begin(IMAGE, "sleep", "1000")
    done = peer.typed(b"typed\n", "exec", "-it", peer.name, "sh", "-c", script)
    assert done[0] == 3 and "got typed" in done[1], done


def test_what_confines_it_holds(peer: Peer) -> None:
    done = peer.run(
        "--rm", "--read-only", "--cap-drop", "all", "--user", "1000:1001", "--hostname", "box", "--pids-limit", "20",
        "--security-opt", "no-new-privileges", "--tmpfs", "/tmp", IMAGE, "sh", "-c",
        "id; hostname; head -60 /proc/self/status; touch /x; touch /tmp/x && echo writable")
    told = done.stdout.decode()
    assert "uid=1000 gid=1001" in told or "uid=1000(1000) gid=1001" in told
    assert "\nbox\n" in told and told.endswith("writable\n")
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000", "CapEff:\t0000000000000000"):
        assert line in told
    assert b"Read-only file system" in done.stderr


def test_docker_changes_limits_and_looks_after_health(docker: Docker, busybox: bytes) -> None:
    docker.run("import", "-", IMAGE, stdin=busybox)
    name = f"t{os.urandom(6).hex()}"
    docker.run("run", "--runtime", "sampan", "-d", "--name", name, "--health-cmd", "true", "--health-interval", "200ms",
               IMAGE, "sleep", "1000")
    try:
        docker.run("update", "--memory", "128m", "--memory-swap", "256m", name)
        limit = docker.run("exec", name, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        assert limit == str(128 << 20)
        _until(lambda: docker.run("inspect", "-f", "{{.State.Health.Status}}", name) == "healthy")
        # Its network is brought by a hook.
        assert "eth0" in docker.run("exec", name, "cat", "/proc/net/dev")
    finally:
        docker.run("rm", "-f", name)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
