"""Run Debian's Podman on a store of its own, configured for any machine that can run containers at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Limits that can be had without raising any, and the runtime that takes every layout of cgroups.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=10000:10000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{directory}/tmp"
[network]
network_config_dir = "{directory}/networks"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{directory}/root"
runroot = "{directory}/run"
"""
_REGISTRIES = """\
unqualified-search-registries = []
[[registry]]
prefix = "127.0.0.1"
location = "127.0.0.1"
insecure = true
"""
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


@dataclass(frozen=True)
class Podman:
    """Podman with a store, a configuration and a run directory of its own; no network."""

    directory: Path

    def command(self, *words: Any) -> list[str]:
        """Return the whole command line, for use with ``environ``."""
        return ["podman", *map(str, words)]

    @property
    def environ(self) -> dict[str, str]:
        """The environment that points at its configuration."""
        return {
            **os.environ, "CONTAINERS_CONF": f"{self.directory}/containers.conf",
            "CONTAINERS_REGISTRIES_CONF": f"{self.directory}/registries.conf",
            "CONTAINERS_STORAGE_CONF": f"{self.directory}/storage.conf",
        }  # fmt: skip

    def result(self, *words: Any, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a command, and return what came of it."""
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(self.command(*words), env=self.environ, capture_output=True, timeout=120, **given)

    def run(self, *words: Any, stdin: bytes | None = None) -> str:
        """Run a command, which must succeed; return its output without the last newline."""
        result = self.result(*words, stdin=stdin)
        assert result.returncode == 0, (words, result)
        return result.stdout.decode().removesuffix("\n")

    def pull(self, reference: str) -> str:
        """Pull an image from a registry on the loopback; its id."""
        return self.run("pull", "-q", "--tls-verify=false", f"--signature-policy={self.directory}/policy.json",
                        reference)


@contextmanager
def separate_podman() -> Iterator[Podman]:
    """Have a Podman of one's own until the context ends; all its containers are removed then."""
    directory = Path(tempfile.mkdtemp(prefix="sp", dir="/tmp"))  # short, for the paths of its sockets
    podman = Podman(directory)
    (directory / "containers.conf").write_text(_CONTAINERS.format(directory=directory))
    (directory / "storage.conf").write_text(_STORAGE.format(directory=directory))
    (directory / "registries.conf").write_text(_REGISTRIES)
    (directory / "policy.json").write_text(_POLICY)
    try:
        yield podman
    finally:
        podman.result("rm", "-af", "-t", "0")
        _unmount(directory)
        shutil.rmtree(directory)


def _unmount(directory: Path) -> None:
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    for point in reversed(points):
        if point.startswith(f"{directory}/"):
            subprocess.run(["umount", "-l", point], check=True)
