#!/usr/bin/env python3
"""Tell what an idle container costs: the memory of the processes that look after it, in MB of PSS (proc_pid_smaps(5)).

Usage: memory.py IMAGE [COUNT]

IMAGE must be known to every engine, and have a `sleep`. Sampan's monitors are given time to fall asleep.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from engines import Engine

SECONDS_TO_SETTLE = 14


def processes() -> set[int]:
    """Return the processes that there are."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}


def pss(process: int) -> int:
    """Return a process's share of memory in KB; 0 for one that has ended, and for a container's own."""
    try:
        if Path(f"/proc/{process}/comm").read_text().strip() in ("sleep", "busybox"):
            return 0
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def measure(engine: Engine, image: str, count: int) -> float:
    """Return the MB that each of ``count`` idle containers costs."""
    before = processes()
    containers = [engine("run", "-d", "--net=none", image, "sleep", "1000") for _ in range(count)]
    try:
        time.sleep(SECONDS_TO_SETTLE)
        return sum(map(pss, processes() - before)) / count / 1000
    finally:
        engine("rm", "-f", *containers)


def main() -> None:
    """Measure every engine that is here."""
    image, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10
    here = Path(sys.executable).with_name("sampan")
    for engine in (Engine("sampan", str(here)), Engine("docker", "docker"), Engine("podman", "podman")):
        if engine.answers():
            print(f"{engine.name:<10}{measure(engine, image, count):6.1f} MB")


if __name__ == "__main__":
    main()
