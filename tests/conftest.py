"""Fixtures for all suites: real services, started once per test process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone; suites import the helpers as tests.services.
_ROOT = str(Path(__file__).resolve().parent.parent)
os.environ["SAMPAN_STANDBY"] = "0"  # the standby's own tests turn it on
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.services.docker import Docker, running_docker  # noqa: E402  # needs the path above
from tests.services.faults import FaultProxy, fault_proxy  # noqa: E402
from tests.services.images import make_image  # noqa: E402
from tests.services.podman import Podman, separate_podman  # noqa: E402
from tests.services.registry import RegistryServer, running_registry  # noqa: E402


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process have all tests that want Docker's engine, so that only one engine is started."""
    for item in items:
        if "docker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("docker"))


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """Docker's engine, the real one, with a store of its own; remove what is put there, or name it after the test."""
    with running_docker() as engine:
        yield engine


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """Podman with a store of its own."""
    with separate_podman() as program:
        yield program


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A real registry without authentication, empty at first; name repositories after the test."""
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of two small layers, as ``LAYOUT:TAG`` for ``push_image``."""
    layers = [{"etc/one": b"1" * 5000, "etc/both": b"lower"}, {"etc/two": b"2", "etc/both": b"upper"}]
    return make_image(tmp_path_factory.mktemp("image"), layers, ["--config.cmd=/bin/true"])


@pytest.fixture
def proxy(registry: RegistryServer) -> Iterator[FaultProxy]:
    """A proxy to the registry that breaks what the test asks to be broken."""
    with fault_proxy(registry.address) as running:
        yield running
