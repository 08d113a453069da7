"""Install the distributions of contrib as pip installs them, once for all processes that test."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.conftest import empty, imported, rootfs_tar  # noqa: F401  # fixtures
from tests.integration.sampan import Sampan

CONTRIB = Path(__file__).parents[2] / "contrib"
DISTRIBUTIONS = sorted(path.parent.name for path in CONTRIB.glob("*/pyproject.toml"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory that every distribution of contrib is installed in by pip, without a network."""
    base = tmp_path_factory.getbasetemp()
    target = (base if worker_id == "master" else base.parent) / "contrib-site"
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _install(tmp_path_factory.mktemp("sources"), target)
    return target


def _install(copies: Path, target: Path) -> None:
    # Copies: building leaves nothing behind in the sources.
    sources = [shutil.copytree(CONTRIB / name, copies / name) for name in DISTRIBUTIONS]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), *map(str, sources)], check=True, capture_output=True)


@pytest.fixture
def sampan(
    monkeypatch: pytest.MonkeyPatch, empty: Sampan, imported: Sampan, site: Path, tmp_path: Path  # noqa: F811
) -> Sampan:
    """A store with the image ``bb:1``, for a Sampan that has all of contrib installed."""
    subprocess.run(["cp", "-a", imported.root, empty.root], check=True)
    empty.environ |= {"PYTHONPATH": str(site), "SAMPAN_CACHE_DIR": str(tmp_path / "cache")}
    monkeypatch.syspath_prepend(str(site))  # for clearing the store at the end, after which this is undone
    return empty
