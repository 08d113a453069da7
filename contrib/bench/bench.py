#!/usr/bin/env python3
"""Compare Sampan with the docker and podman on this machine, in one interleaved run.

Usage: bench.py [--runs N] [--only NAME,...] [--registry HOST:PORT/REPOSITORY:TAG]

Each benchmark runs every engine in turn, round after round, so that a change of the machine's mood meets all alike.
It prints the medians and each engine's ratio to the faster peer. An engine that is not there, or whose daemon does not
answer, is left out. `--registry` names an image to pull, in a registry to push to; without it neither is measured.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import archives
import containers
import images
import networks
import registries
from engines import IMAGE, Engine

# Each benchmark yields once it is set up: a function that does the measured thing and returns its seconds.
BENCHMARKS = {**containers.BENCHMARKS, **networks.BENCHMARKS, **images.BENCHMARKS, **archives.BENCHMARKS}
LONG = {"20-starts", "throughput", "pull", "push", "rmi", "import", "export", *archives.BENCHMARKS}


def busybox(where: Path) -> Path:
    """Make a root file system of the host's static busybox, as a tar."""
    tree = where / "tree"
    (tree / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for name in ("sh", "true", "sleep", "cat", "echo", "nc", "dd"):
        (tree / "bin" / name).symlink_to("busybox")
    archive = where / "busybox.tar"
    subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
    return archive


def present(title: str, figures: dict[str, list[float]], sent: int) -> None:
    """Print one benchmark's medians, as speeds where something was sent, and the ratio to the faster peer."""
    unit, better = ("MB/s", max) if sent else ("ms", min)
    medians = {name: statistics.median(seconds) for name, seconds in figures.items()}
    shown = {name: sent / median / 1e6 if sent else median * 1000 for name, median in medians.items()}
    peers = [value for name, value in shown.items() if name != "sampan"]
    line = "".join(f"{f'{name} {value:.0f} {unit}':>20}" for name, value in shown.items())
    ratio = f"   ratio {shown['sampan'] / better(peers):.2f}" if peers else ""
    print(f"{title:<22}{line}{ratio}", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--only", default="")
    parser.add_argument("--registry", default="", metavar="REFERENCE")
    options = parser.parse_args()

    here = Path(sys.executable).with_name("sampan")
    engines = [Engine("sampan", str(here)), Engine("docker", "docker"), Engine("podman", "podman")]
    engines = [engine for engine in engines if engine.answers()]
    benchmarks: dict[str, Callable[[Engine], object]] = dict(BENCHMARKS)
    if options.registry:
        benchmarks |= {"pull": registries.pull(options.registry), "push": registries.push(options.registry)}
    chosen = options.only.split(",") if options.only else list(benchmarks)

    with tempfile.TemporaryDirectory() as scratch:
        archive = busybox(Path(scratch))
        for engine in engines:
            engine("import", str(archive), IMAGE)
        for name in chosen:
            benchmark = benchmarks[name]
            rounds = max(3, options.runs // 3) if name in LONG else options.runs
            figures: dict[str, list[float]] = {engine.name: [] for engine in engines}
            managers = [(engine, benchmark(engine)) for engine in engines]
            measured = [(engine, manager, manager.__enter__()) for engine, manager in managers]  # type: ignore[attr-defined]
            try:
                for _, _, once in measured:
                    once()  # warm up
                for _ in range(rounds):
                    for engine, _, once in measured:
                        figures[engine.name].append(once())
            finally:
                for _, manager, _ in measured:
                    manager.__exit__(None, None, None)
            present((benchmark.__doc__ or name).rstrip("."), figures, networks.SENT.get(name, 0))
        for engine in engines:
            engine("rmi", "-f", IMAGE, check=False)


if __name__ == "__main__":
    main()
