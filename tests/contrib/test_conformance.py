"""Every distribution of contrib passes its own tests as it is installed, outside of the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contrib.conftest import CONTRIB, DISTRIBUTIONS


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_it_passes_its_own_tests(site: Path, name: str, tmp_path: Path) -> None:
    alone = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = subprocess.run(
        [*alone, CONTRIB / name / "test_conformance.py"],
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}, cwd=tmp_path, capture_output=True,
        text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_it_has_what_a_distribution_should_have(name: str) -> None:
    assert {"README.md", "pyproject.toml", "test_conformance.py"} <= set(os.listdir(CONTRIB / name))
