"""List, make, compare and remove images."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engines import IMAGE, Engine, timed


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


BENCHMARKS = {
    "images": images, "images-200": images_of_many, "rmi": remove_image, "import": import_large, "export": export_large,
    "commit": commit, "diff": diff,
}
