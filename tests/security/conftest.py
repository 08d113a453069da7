"""Fixtures of the tests that containers hold: benches, programs to run in them, ways in."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, bench_at
from tests.security.ways import WAYS


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An engine with a busybox image, on the defaults; checked to be clean at the end."""
    with bench_at(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a C program that needs nothing to run; return its path."""

    def build(source: str) -> Path:
        directory = tmp_path_factory.mktemp("program")
        (directory / "source.c").write_text(source)
        command = ["gcc", "-O1", "-static", "-Wall", "-Werror", "-o", directory / "program", directory / "source.c"]
        subprocess.run(command, check=True)
        return directory / "program"

    return build


@pytest.fixture(scope="session")
def probe(compiled: Callable[[str], Path]) -> Path:
    """The program that tells what it may do."""
    return compiled(Path(__file__).with_name("probe.c").read_text())


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Each way in: as the first process, by exec, and as a health check."""
    return WAYS[request.param]
