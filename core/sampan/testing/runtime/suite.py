"""Put the checks of a runtime together, and give them containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sampan.contracts.runtime import Runtime
from sampan.kernel import processes
from sampan.testing.runtime.box import Box, making
from sampan.testing.runtime.confinement import ConfinementTests
from sampan.testing.runtime.hooks import HookTests
from sampan.testing.runtime.killed import KilledTests
from sampan.testing.runtime.lifecycle import LifecycleTests
from sampan.testing.runtime.linux import LinuxTests
from sampan.testing.runtime.mounts import MountTests
from sampan.testing.runtime.optional import OptionalTests
from sampan.testing.runtime.process import ProcessTests
from sampan.testing.runtime.terminal import TerminalTests

Make = Callable[[str], Runtime]


class RuntimeSuite(
    LifecycleTests, OptionalTests, TerminalTests, ProcessTests, ConfinementTests, MountTests, LinuxTests, HookTests,
    KilledTests,
):
    """The contract as tests. Subclasses give the fixture ``make``."""

    @pytest.fixture
    def make(self) -> Make:
        """Return a function that opens the runtime under test on a directory; derived classes provide it."""
        raise NotImplementedError("a runtime's test provides the fixture make")

    @pytest.fixture
    def runtime(self, make: Make, tmp_path: Path) -> Iterator[Runtime]:
        """Open the runtime, in a process that is a subreaper as monitors are."""
        processes.become_subreaper()
        opened = make(str(tmp_path / "run"))
        yield opened
        opened.close()

    @pytest.fixture
    def boxes(self, runtime: Runtime, tmp_path: Path) -> Iterator[Callable[[], Box]]:
        """Make containers; whatever a test leaves of them is removed."""
        with making(runtime, tmp_path) as make:
            yield make

    @pytest.fixture
    def box(self, boxes: Callable[[], Box]) -> Box:
        """Make one container."""
        return boxes()
