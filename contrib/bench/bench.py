#!/usr/bin/env python3
"""Compare Sampan with the docker and podman on this machine, in one interleaved run.

Usage: bench.py [--runs N] [--only NAME,...] [--registry HOST:PORT/REPOSITORY:TAG]

Each benchmark runs every engine in turn, round after round, so that a change of the machine's mood meets all alike.
It prints the medians and each engine's ratio to the faster peer. An engine that is not there, or whose daemon does not
answer, is left out. `--registry` names an image to pull, in a registry to push to; without it neither is measured.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import archives
import registries
from engines import Engine, timed

IMAGE = "sampan-bench:busybox"


# Each benchmark yields once it is set up: a function that does the measured thing and returns its seconds.


@contextmanager
def run_none(engine: Engine) -> Iterator[Callable[[], float]]:
    """run --rm --net=none."""
    yield lambda: timed(lambda: engine("run", "--rm", "--net=none", IMAGE, "/bin/true"))


@contextmanager
def run_bridge(engine: Engine) -> Iterator[Callable[[], float]]:
    """run --rm."""
    yield lambda: timed(lambda: engine("run", "--rm", IMAGE, "/bin/true"))


@contextmanager
def run_detached(engine: Engine) -> Iterator[Callable[[], float]]:
    """run -d."""
    started: list[str] = []

    def once() -> float:
        seconds = timed(lambda: started.append(engine("run", "-d", IMAGE, "sleep", "1000")))
        engine("rm", "-f", started[-1])
        return seconds

    yield once


@contextmanager
def exec_true(engine: Engine) -> Iterator[Callable[[], float]]:
    """exec."""
    container = engine("run", "-d", IMAGE, "sleep", "1000")
    try:
        yield lambda: timed(lambda: engine("exec", container, "/bin/true"))
    finally:
        engine("rm", "-f", container)


@contextmanager
def ps(engine: Engine) -> Iterator[Callable[[], float]]:
    """ps."""
    container = engine("run", "-d", IMAGE, "sleep", "1000")
    try:
        yield lambda: timed(lambda: engine("ps"))
    finally:
        engine("rm", "-f", container)


@contextmanager
def images(engine: Engine) -> Iterator[Callable[[], float]]:
    """images."""
    yield lambda: timed(lambda: engine("images"))


@contextmanager
def images_of_many(engine: Engine) -> Iterator[Callable[[], float]]:
    """images, 200 names."""
    names = [f"sampan-bench-many:{number}" for number in range(200)]
    for name in names:
        engine("tag", IMAGE, name)
    yield lambda: timed(lambda: engine("images"))
    engine("rmi", *names)


@contextmanager
def remove_image(engine: Engine) -> Iterator[Callable[[], float]]:
    """rmi, 30,000 files."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = many_files(Path(scratch))

        def once() -> float:
            engine("import", str(archive), "sampan-bench-files:1")
            os.sync()
            return timed(lambda: engine("rmi", "sampan-bench-files:1"))

        yield once


@contextmanager
def import_large(engine: Engine) -> Iterator[Callable[[], float]]:
    """import, 500 MB."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = real_files(Path(scratch))

        def once() -> float:
            os.sync()
            seconds = timed(lambda: engine("import", str(archive), "sampan-bench-large:1"))
            engine("rmi", "sampan-bench-large:1")
            return seconds

        yield once


@contextmanager
def export_large(engine: Engine) -> Iterator[Callable[[], float]]:
    """export, 500 MB."""
    with tempfile.TemporaryDirectory() as scratch:
        engine("import", str(real_files(Path(scratch))), "sampan-bench-large:1")
    container = engine("create", "sampan-bench-large:1", "/none")
    with tempfile.TemporaryDirectory() as scratch:
        yield lambda: timed(lambda: engine("export", "-o", f"{scratch}/out.tar", container))
    engine("rm", container)
    engine("rmi", "sampan-bench-large:1")


@contextmanager
def changed(engine: Engine) -> Iterator[str]:
    """Run a container that makes 2,000 files, to its end."""
    script = "i=0; while [ $i -lt 2000 ]; do echo some content $i > /f$i; i=$((i+1)); done"
    name = f"sampan-bench-changed-{os.getpid()}"
    engine("run", "--name", name, "--net=none", IMAGE, "sh", "-c", script)
    try:
        yield name
    finally:
        engine("rm", "-f", name)


@contextmanager
def commit(engine: Engine) -> Iterator[Callable[[], float]]:
    """commit, 2,000 files."""
    with changed(engine) as container:

        def once() -> float:
            seconds = timed(lambda: engine("commit", container, "sampan-bench-commit:1"))
            engine("rmi", "sampan-bench-commit:1")
            return seconds

        yield once


@contextmanager
def diff(engine: Engine) -> Iterator[Callable[[], float]]:
    """diff, 2,000 files."""
    with changed(engine) as container:
        yield lambda: timed(lambda: engine("diff", container))


@contextmanager
def twenty(engine: Engine) -> Iterator[Callable[[], float]]:
    """20 x run -d at once."""

    def once() -> float:
        names = [f"sampan-bench-{os.getpid()}-{number}" for number in range(20)]
        begun = time.perf_counter()
        starts = [
            subprocess.Popen(
                [*engine.command, "run", "-d", "--name", name, IMAGE, "sleep", "1000"], stdout=subprocess.DEVNULL
            )
            for name in names
        ]
        failed = [start.wait() for start in starts]
        seconds = time.perf_counter() - begun
        engine("rm", "-f", *names)
        if any(failed):
            sys.exit(f"{engine.name}: {sum(map(bool, failed))} of 20 starts failed")
        return seconds

    yield once


BENCHMARKS = {
    "run-none": run_none, "run": run_bridge, "run-d": run_detached, "exec": exec_true,
    "ps": ps, "images": images, "images-200": images_of_many, "rmi": remove_image, "20-starts": twenty,
    "import": import_large, "export": export_large, "commit": commit, "diff": diff, **archives.BENCHMARKS,
}
LONG = {"20-starts", "pull", "push", "rmi", "import", "export", *archives.BENCHMARKS}


def busybox(where: Path) -> Path:
    """Make a root file system of the host's static busybox, as a tar."""
    tree = where / "tree"
    (tree / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for name in ("sh", "true", "sleep", "cat", "echo"):
        (tree / "bin" / name).symlink_to("busybox")
    archive = where / "busybox.tar"
    subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
    return archive


def many_files(where: Path) -> Path:
    """Make a root file system of 30,000 small files in 300 directories, as a tar."""
    archive = where / "files.tar"
    with tarfile.open(archive, "w") as tar:
        for number in range(30_000):
            entry = tarfile.TarInfo(f"{number % 300}/{number}")
            entry.size = 4000
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return archive


def real_files(where: Path, total: int = 500 << 20) -> Path:
    """Make a root file system of this machine's /usr, of files below a megabyte, as a tar."""
    archive = where / "large.tar"
    with tarfile.open(archive, "w") as tar:
        for parent, directories, names in os.walk("/usr"):
            directories.sort()
            for path in (Path(parent, name) for name in sorted(names)):
                if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 20:
                    continue
                tar.add(path, recursive=False)
                total -= path.stat().st_size
            if total < 0:
                break
    return archive


def present(title: str, figures: dict[str, list[float]]) -> None:
    """Print one benchmark's medians and the ratio to the faster peer."""
    medians = {name: statistics.median(seconds) for name, seconds in figures.items()}
    peers = [median for name, median in medians.items() if name != "sampan"]
    line = "".join(f"{f'{name} {1000 * median:.0f} ms':>20}" for name, median in medians.items())
    ratio = f"   ratio {medians['sampan'] / min(peers):.2f}" if peers else ""
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
            present((benchmark.__doc__ or name).rstrip("."), figures)
        for engine in engines:
            engine("rmi", "-f", IMAGE, check=False)


if __name__ == "__main__":
    main()
