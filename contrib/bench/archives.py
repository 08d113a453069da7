"""Save and load an image of this machine's own files: some 200 MB in tens of thousands of files."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engines import Engine, timed

IMAGE = "sampan-bench:files"
_TREES = ("usr/include", "usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/perl", "usr/lib/python3")
# ext4 without a journal passes over inodes that were freed in the last minute, one by one: that is no engine's speed.
_SECONDS_TO_SETTLE = 61.0


def files(scratch: Path) -> Path:
    """Make a root file system of this machine's files, as a tar."""
    tree = scratch / "tree.tar"
    trees = [name for name in _TREES if Path("/", name).is_dir()]
    subprocess.run(["tar", "-C", "/", "-cf", tree, *trees], check=True)
    return tree


@contextmanager
def _image(engine: Engine) -> Iterator[Path]:
    """Give the engine the image; a directory to work in."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        tree = files(Path(scratch))
        engine("import", str(tree), IMAGE)
        tree.unlink()
        try:
            yield Path(scratch)
        finally:
            engine("rmi", "-f", IMAGE, check=False)


@contextmanager
def save_file(engine: Engine) -> Iterator[Callable[[], float]]:
    """save -o FILE."""
    with _image(engine) as scratch:
        archive = scratch / "saved.tar"

        def once() -> float:
            archive.unlink(missing_ok=True)
            os.sync()
            return timed(lambda: engine("save", "-o", str(archive), IMAGE))

        yield once


@contextmanager
def save_stdout(engine: Engine) -> Iterator[Callable[[], float]]:
    """save > FILE."""
    with _image(engine) as scratch:
        archive = scratch / "saved.tar"

        def save() -> None:
            with archive.open("wb") as out:
                subprocess.run([*engine.command, "save", IMAGE], check=True, stdout=out)

        def once() -> float:
            archive.unlink(missing_ok=True)
            os.sync()
            return timed(save)

        yield once


@contextmanager
def load(engine: Engine) -> Iterator[Callable[[], float]]:
    """load -i FILE."""
    with _image(engine) as scratch:
        archive = scratch / "saved.tar"
        engine("save", "-o", str(archive), IMAGE)
        engine("rmi", "-f", IMAGE)
        removed = time.monotonic()

        def once() -> float:
            nonlocal removed
            os.sync()
            time.sleep(max(0.0, removed + _SECONDS_TO_SETTLE - time.monotonic()))
            seconds = timed(lambda: engine("load", "-i", str(archive)))
            engine("rmi", "-f", IMAGE)
            removed = time.monotonic()
            return seconds

        yield once


BENCHMARKS = {"save": save_file, "save-stdout": save_stdout, "load": load}
