"""Run Debian's Docker engine on its own: its store, socket and mounts are its own, and it touches no network."""

from __future__ import annotations

import glob
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.layers import removal

_CLIENT = "/usr/bin/docker"  # the engine's sibling, whatever else is on the PATH


@dataclass(frozen=True)
class Docker:
    """A running engine. Containers reach nothing; registries on the loopback are reached without TLS."""

    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "socket"

    def command(self, *words: Any) -> list[str]:
        """Return the whole command line."""
        # The user's configuration is not the test's.
        return [_CLIENT, "--config", str(self.directory / "client"), "-H", f"unix://{self.socket}", *map(str, words)]

    def result(self, *words: Any, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a command, and return what came of it."""
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
        return subprocess.run(self.command(*words), env=environ, capture_output=True, timeout=120, **given)

    def run(self, *words: Any, stdin: bytes | None = None) -> str:
        """Run a command, which must succeed; return its output without the last newline."""
        result = self.result(*words, stdin=stdin)
        assert result.returncode == 0, (words, result)
        return result.stdout.decode().removesuffix("\n")

    def layers(self, image: str) -> Sequence[str]:
        """Return the directories of an image's layers, topmost first, whose overlay is its root file system."""
        data = json.loads(self.run("image", "inspect", "-f", "{{json .GraphDriver.Data}}", image))
        return [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]


@contextmanager
def running_docker() -> Iterator[Docker]:
    """Run an engine until the context ends. Its mounts are its alone, and it does not outlive this process."""
    directory = Path(tempfile.mkdtemp(prefix="sd", dir="/tmp"))  # short, for the path of a socket
    docker = Docker(directory)
    _add_bridge(directory.name)
    configuration = directory / "daemon.json"
    configuration.write_text(json.dumps(_configuration(docker)))
    log = directory / "log"
    command = ["unshare", "--mount", "setpriv", "--pdeathsig", "KILL", "dockerd", "--config-file", configuration]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        _await_answer(docker, process, log)
        yield docker
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            _clean_up(directory)


def _configuration(docker: Docker) -> dict[str, object]:
    directory = docker.directory
    return {
        "hosts": [f"unix://{docker.socket}"],
        "data-root": str(directory / "data"), "exec-root": str(directory / "exec"),
        "pidfile": str(directory / "pid"), "deprecated-key-path": str(directory / "key.json"),
        # Told to have no bridge, it would delete the machine's docker0, which is another engine's.
        "bridge": directory.name, "iptables": False, "ip-forward": False, "ip-masq": False, "userland-proxy": False,
        "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "runtimes": {"sampan": {"path": str(Path(sys.executable).parent / "sampan-oci")}},
        "cgroup-parent": f"/{directory.name}", "shutdown-timeout": 1, "log-level": "warn",
    }  # fmt: skip


def _add_bridge(name: str) -> None:
    address = f"10.198.{int.from_bytes(os.urandom(1), 'big')}.1/24"
    for words in (["link", "add", name, "type", "bridge"], ["address", "add", address, "dev", name]):
        subprocess.run(["ip", *words], check=True)


def _await_answer(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if _ping(docker.socket):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"dockerd did not start:\n{log.read_text()[-4000:]}")


def _ping(path: Path) -> bool:
    connection = http.client.HTTPConnection("docker", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _clean_up(directory: Path) -> None:
    """Remove what the engine leaves: shims of containers that would not stop, groups, files."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"{directory}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue  # it ended
    for group in glob.glob(f"/sys/fs/cgroup/{directory.name}") + glob.glob(f"/sys/fs/cgroup/*/{directory.name}"):
        os.rmdir(group)
    subprocess.run(["ip", "link", "delete", directory.name], check=True)
    removal.remove_tree(str(directory))  # deeper than shutil can go
