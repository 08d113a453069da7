"""Run sampan-oci as engines do: another process, a state directory of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(sys.executable).parent / "sampan-oci")


class Tool:
    """The program, and a bundle for it."""

    def __init__(self, box: Any) -> None:
        self.box = box
        self.root = box.bundle.parent / "cli"
        self.id: str = box.id

    def line(self, *words: Any) -> list[str]:
        return [PROGRAM, "--root", str(self.root), *map(str, words)]

    def result(self, *words: Any, **given: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.line(*words), capture_output=True, text=True, timeout=30, **given)

    def run(self, *words: Any, **given: Any) -> str:
        done = self.result(*words, **given)
        assert done.returncode == 0, done
        return done.stdout

    def create(self, *args: str, **given: Any) -> int:
        """Create the container; return its pid."""
        self.prepare(*args)
        pid_file = self.box.bundle / "pid"
        with open(os.devnull, "w") as null:
            subprocess.run(self.line("create", "-b", self.box.bundle, "--pid-file", pid_file, self.id),
                           stdout=null, check=True, timeout=30, **given)
        return int(pid_file.read_text())

    def begin(self, *args: str) -> int:
        pid = self.create(*args)
        self.run("start", self.id)
        return pid

    def prepare(self, *args: str) -> None:
        self.box.spec.process.args = list(args)
        self.box.write()

    def state(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.run("state", self.id))
        return told


@pytest.fixture
def tool(native_box: Any) -> Iterator[Tool]:
    made = Tool(native_box)
    yield made
    made.result("delete", "--force", made.id)
    _reap()


def _reap() -> None:
    """Reap the orphans that fell to this process, which is a subreaper."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
