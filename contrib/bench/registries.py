"""Pull from a registry, and push to it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from archives import files
from engines import Engine, timed

Benchmark = Callable[[Engine], AbstractContextManager[Callable[[], float]]]


def pull(reference: str) -> Benchmark:
    """Make the benchmark that pulls ``reference``."""

    @contextmanager
    def benchmark(engine: Engine) -> Iterator[Callable[[], float]]:
        """pull."""

        def once() -> float:
            engine("rmi", "-f", reference, check=False)
            os.sync()
            return timed(lambda: engine("pull", "-q", reference))

        yield once
        engine("rmi", "-f", reference, check=False)

    return benchmark


def push(reference: str) -> Benchmark:
    """Make the benchmark that pushes some 200 MB to the registry of ``reference``, to a new repository each time."""
    registry = reference.partition("/")[0]

    @contextmanager
    def benchmark(engine: Engine) -> Iterator[Callable[[], float]]:
        """push, 200 MB."""
        with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
            tree = files(Path(scratch))

            def once() -> float:
                # New content each time, or the registry would be asked to take it over from the last repository.
                unique = uuid.uuid4().hex[:12]
                Path(scratch, unique).write_text(unique)
                subprocess.run(["tar", "-C", scratch, "-rf", tree, unique], check=True)
                name = f"{registry}/sampan-bench/{unique}:1"
                engine("import", str(tree), name)
                os.sync()
                seconds = timed(lambda: engine("push", "-q", name))
                engine("rmi", name)
                return seconds

            yield once

    return benchmark
