"""Run parts of a suite on a driver, in a process of its own, and tell which of its tests fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.core.testing import suites  # so that no child has to load all that they import

from sampan.kernel import mount, namespaces
from sampan.testing.forking import forked

_SUITES = suites.__file__


class _Given:
    """A plugin of pytest's: it gives the driver to the suite, and writes down what fails."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self.failed: set[str] = set()
        self.ran = 0

    @pytest.fixture
    def given(self) -> Any:
        return self._given

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran += report.when == "call"
        if report.failed:
            self.failed.add(report.nodeid.rpartition("::")[2].partition("[")[0])


def noticed(suite: str, given: Any, tests: str, where: Path) -> set[str]:
    """Return which of a suite's tests fail of those that the expression ``tests`` names (pytest's -k).

    The suite is the class of that name in suites.py, on what its fixture makes of ``given``. What the driver leaves
    mounted is so in a namespace that ends with the process. Raises AssertionError when there is no such test.
    """
    told, output = where / "told", where / "output"

    def work() -> None:
        namespaces.create(namespaces.flag("mount"))
        mount.mount("none", "", "/", ["rprivate"])
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        recorder = _Given(given)
        alone = ["-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider", "-p", "no:xdist", "-s"]
        rooted = [f"--rootdir={where}", f"--basetemp={where}/tests", "-k", tests]
        pytest.main([*alone, *rooted, f"{_SUITES}::Test{suite}"], [recorder])
        told.write_text(json.dumps([recorder.ran, sorted(recorder.failed)]))

    _, status = os.waitpid(forked(work), 0)
    assert status == 0, output.read_text()
    ran, failed = json.loads(told.read_text())
    assert ran or failed, f"no test is named by {tests}: {output.read_text()}"
    return set(failed)
