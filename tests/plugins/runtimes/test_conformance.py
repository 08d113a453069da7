"""The bundled runtimes keep the contract, and the specification."""

from __future__ import annotations

import pytest

from sampan.testing.runtime import Make, RuntimeSuite
from sampan_plugins.runtimes.native.driver import NativeRuntime
from sampan_plugins.runtimes.oci.driver import OCIRuntime


class TestNative(RuntimeSuite):
    @pytest.fixture
    def make(self) -> Make:
        return lambda root: NativeRuntime(root, {})


class TestOCI(RuntimeSuite):
    @pytest.fixture
    def make(self) -> Make:
        return lambda root: OCIRuntime(root, {})
