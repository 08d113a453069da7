"""Put the checks of a storage driver together, and give them directories."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sampan.contracts.storage import StorageDriver
from sampan.testing.storage.derived import DerivedTests
from sampan.testing.storage.killed import KilledTests
from sampan.testing.storage.layers import LayerTests
from sampan.testing.storage.lifecycle import LifecycleTests
from sampan.testing.storage.trees import Make


class StorageDriverSuite(LifecycleTests, LayerTests, DerivedTests, KilledTests):
    """The contract of sampan.contracts.storage as tests. Subclasses give the fixture ``make``."""

    @pytest.fixture
    def make(self) -> Make:
        """Return a function that opens the driver under test on a directory; derived classes provide it."""
        raise NotImplementedError("a storage driver's test provides the fixture make")

    @pytest.fixture
    def root(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        """Give a fresh directory, with nothing of it mounted or left afterwards."""
        from sampan.layers import removal

        path = str(tmp_path_factory.mktemp("storage"))
        with open("/proc/self/mountinfo", "rb") as file:
            before = file.read().count(os.fsencode(path))
        yield path
        with open("/proc/self/mountinfo", "rb") as file:
            assert file.read().count(os.fsencode(path)) == before, "a mount was left behind"
        removal.remove_tree(path)

    @pytest.fixture
    def driver(self, make: Make, root: str) -> Iterator[StorageDriver]:
        """Open the driver."""
        opened = make(root)
        yield opened
        opened.close()
