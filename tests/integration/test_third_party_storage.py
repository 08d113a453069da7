"""Install the example storage driver as the distribution it is, prove it, and run containers on it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sampan import Sampan

_EXAMPLE = Path(__file__).parents[2] / "contrib/example-storage"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the distribution is installed in by pip."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(_EXAMPLE)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


@pytest.fixture
def sampan(empty: Sampan, site: Path, rootfs_tar: Path, tmp_path: Path) -> Iterator[Sampan]:
    """A store on the example driver."""
    empty.environ |= {"PYTHONPATH": str(site), "SAMPAN_CACHE_DIR": str(tmp_path / "cache")}
    empty.run("--storage-driver", "copies", "import", "-c", 'CMD ["sh"]', rootfs_tar, "bb:1")
    yield empty


def test_it_is_found_as_its_own_distribution(sampan: Sampan) -> None:
    rows = [line.split() for line in sampan.run("plugin", "ls").splitlines()]
    assert ["storage", "copies", "sampan-example-storage", "1.0", "available"] in rows


def test_it_runs_containers(sampan: Sampan) -> None:
    copies = ("--storage-driver", "copies")
    assert sampan.run(*copies, "run", "--rm", "bb:1", "echo", "hello") == "hello"
    sampan.run(*copies, "run", "--name", "kept", "bb:1", "sh", "-c", "echo mine > /file; rm /etc/group")
    assert sampan.run("inspect", "-f", "{{.Driver}}", "kept") == "copies"
    # The driver on the container's record serves, whatever is preferred now.
    sampan.run("start", "kept")
    sampan.run("wait", "kept")
    exported = sampan.result("export", "kept").stdout
    listing = subprocess.run(["tar", "t"], input=exported, capture_output=True, check=True)
    assert b"file\n" in listing.stdout
    assert b"etc/group\n" not in listing.stdout
    sampan.run("rm", "kept")
    assert [name for name in os.listdir(sampan.root / "storage/copies") if name.startswith("active")] == []


def test_the_driver_has_at_most_forty_lines() -> None:
    source = (_EXAMPLE / "sampan_example_storage.py").read_text()
    (driver,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    lines = source.splitlines()[driver.lineno - 1 : driver.end_lineno]
    assert len([line for line in lines if line.strip()]) <= 40


def test_it_passes_the_conformance_suite(site: Path) -> None:
    pytest_alone = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_alone, "--rootdir", str(_EXAMPLE), str(_EXAMPLE / "test_conformance.py")],
        env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
