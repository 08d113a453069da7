"""Containers of the bundled runtimes, for what the suite of ``sampan.testing.runtime`` does not ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sampan.kernel import processes
from sampan.testing.runtime.box import Box, making
from sampan.testing.runtime.mounts import nested_below
from sampan_plugins.runtimes.native.driver import NativeRuntime
from sampan_plugins.runtimes.oci.driver import OCIRuntime


@pytest.fixture(scope="session", autouse=True)
def _subreaper() -> None:
    processes.become_subreaper()


@pytest.fixture(params=[NativeRuntime, OCIRuntime])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    """One container of each runtime in turn."""
    with making(request.param(str(tmp_path / "run"), {}), tmp_path) as make:
        yield make()


@pytest.fixture
def boxes_native(tmp_path: Path) -> Iterator[Callable[[], Box]]:
    """Make containers of the native runtime."""
    with making(NativeRuntime(str(tmp_path / "run"), {}), tmp_path) as make:
        yield make


@pytest.fixture
def native_box(boxes_native: Callable[[], Box]) -> Box:
    """One container of the native runtime."""
    return boxes_native()


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file system mounted below it."""
    with nested_below(tmp_path) as data:
        yield data
