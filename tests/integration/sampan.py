"""Run ``sampan`` on a store of its own, at once, in the background, or on a terminal."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENCE = 15.0


class Sampan:
    """The command line on one store."""

    def __init__(self, directory: Path) -> None:
        self.born = time.time()
        self.directory = directory
        self.root = directory / "root"
        self.run_root = directory / "r"
        number = int.from_bytes(os.urandom(2), "big")
        self.bridge = f"sq{os.urandom(4).hex()}"
        self.config = directory / "sampan.toml"
        self.config.write_text(
            f'[options."network/bridge"]\nbridge = "{self.bridge}"\n'
            f'subnet = "10.{200 + number % 50}.{number // 256}.0/24"\n'
        )
        self.environ = {
            **os.environ, "SAMPAN_ROOT": str(self.root), "SAMPAN_RUN_ROOT": str(self.run_root),
            "SAMPAN_CONFIG": str(self.config),
        }  # fmt: skip

    def command(self, *words: Any) -> list[str]:
        """Return the whole command line."""
        return [sys.executable, "-m", "sampan.cli.main", *map(str, words)]

    def result(
        self, *words: Any, stdin: bytes | None = None, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it, and return what came of it."""
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(
            self.command(*words), env={**self.environ, **(env or {})}, capture_output=True, timeout=60, cwd=cwd, **given
        )

    def run(self, *words: Any, **more: Any) -> str:
        """Run it, which must succeed and say nothing on stderr; return its output without the last newline."""
        result = self.result(*words, **more)
        assert (result.returncode, result.stderr) == (0, b""), (words, result)
        return result.stdout.decode().removesuffix("\n")

    def fails(self, *words: Any, code: int = 1, **more: Any) -> str:
        """Run it, which must fail with this exit code and one line; return that line."""
        result = self.result(*words, **more)
        assert result.returncode == code, (words, result)
        lines = result.stderr.decode().splitlines()
        assert len(lines) == 1, (words, result)
        return lines[0].removeprefix("Error: ")

    def popen(self, *words: Any, **more: Any) -> subprocess.Popen[bytes]:
        """Begin to run it; pipes for all three streams unless said otherwise."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(self.command(*words), env=self.environ, **{**pipes, **more})

    def terminal(self, *words: Any, size: tuple[int, int] = (24, 80)) -> Terminal:
        """Begin to run it on a terminal of its own."""
        return Terminal(self.command(*words), self.environ, size)

    def state(self, name: str) -> str:
        """Return a container's status."""
        return self.run("inspect", "-f", "{{.State.Status}}", name)

    def until(self, name: str, state: str) -> None:
        """Wait until a container is in this state."""
        deadline = time.monotonic() + PATIENCE
        while (now := self.state(name)) != state:
            assert time.monotonic() < deadline, f"{name} is {now}, not {state}"
            time.sleep(0.05)

    def clear(self) -> None:
        """Remove all containers, and the networks from the host."""
        if not self.root.exists():
            return
        for container in self.run("ps", "-aq").split():
            self.run("rm", "-f", container)
        from sampan.config import load
        from sampan.engine import Engine

        with Engine(load(environ=self.environ)) as engine:
            for network in engine.store.networks.all():
                engine.network(network.driver).remove(network)

    def destroy(self) -> None:
        """End what a failed test left running, by the pids that belong to this store, and drop its mounts."""
        from tests.integration.leaks import links, mounts, processes

        for pid in processes(self):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for mount in reversed(mounts(self)):
            subprocess.run(["umount", "-l", mount], capture_output=True)
        for link in links(self):
            subprocess.run(["ip", "link", "del", link], capture_output=True)


class Terminal:
    """A program on a terminal, and someone who reads and types."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], size: tuple[int, int]) -> None:
        self.master, slave = os.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(slave)
        self._slave = slave  # kept open, so that its settings can be looked at after the end
        self.process = subprocess.Popen(
            command, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, pattern: str, patience: float = PATIENCE) -> re.Match[bytes]:
        """Read until the pattern is seen, and forget what came up to its end."""
        deadline = time.monotonic() + patience
        while True:
            if match := re.search(pattern.encode(), self.seen):
                self.seen = self.seen[match.end() :]
                return match
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} is not in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65536)

    def wait(self) -> int:
        """Wait for the end of the program, which must leave the terminal as it was; return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running after {self.seen!r}"
            if select.select([self.master], [], [], 0.02)[0]:
                self.seen += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)
        assert termios.tcgetattr(self._slave) == self.before
        os.close(self._slave)
        os.close(self.master)
        return self.process.returncode
