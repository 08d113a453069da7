"""Call the engines that are compared, and time what they do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

IMAGE = f"sampan-bench:{os.getpid()}"
"""A busybox that every engine is given."""


class Engine:
    """One command line to compare: its name and how it is called."""

    def __init__(self, name: str, *command: str) -> None:
        self.name = name
        self.command = command

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run a subcommand; return its output."""
        done = subprocess.run([*self.command, *arguments], check=False, capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"{self.name} {' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def answers(self) -> bool:
        """Tell whether it is here and works."""
        return shutil.which(self.command[0]) is not None and not subprocess.run(
            [*self.command, "ps"], check=False, capture_output=True
        ).returncode


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
