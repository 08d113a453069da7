"""Fixtures for the tests of the engine's container half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, bench_at


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An engine with a busybox image, on the defaults but for roots and bridge; checked to be clean at the end."""
    with bench_at(tmp_path) as made:
        yield made


@pytest.fixture(params=["overlay2", "vfs"])
def any_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench on each storage driver."""
    with bench_at(tmp_path, request.param) as made:
        yield made


@pytest.fixture(params=["native", "oci"])
def any_runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench on each runtime."""
    with bench_at(tmp_path, runtime=request.param) as made:
        yield made
