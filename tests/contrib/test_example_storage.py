"""Run containers on the example storage driver, installed as the distribution it is."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest
from tests.contrib.conftest import CONTRIB
from tests.integration.sampan import Sampan


@pytest.fixture
def sampan(empty: Sampan, site: Path, rootfs_tar: Path, tmp_path: Path) -> Sampan:
    """A store on the example driver."""
    empty.environ |= {"PYTHONPATH": str(site), "SAMPAN_CACHE_DIR": str(tmp_path / "cache")}
    empty.run("--storage-driver", "copies", "import", "-c", 'CMD ["sh"]', rootfs_tar, "bb:1")
    return empty


def test_it_is_found_as_its_own_distribution(sampan: Sampan) -> None:
    rows = [line.split() for line in sampan.run("plugin", "ls", "--slot", "storage").splitlines()]
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
    source = (CONTRIB / "example-storage/sampan_example_storage.py").read_text()
    (driver,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    lines = source.splitlines()[driver.lineno - 1 : driver.end_lineno]
    assert len([line for line in lines if line.strip()]) <= 40
