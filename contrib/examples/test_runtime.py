import pytest
from sampan_example_runtime import Recorded

from sampan.testing.runtime import RuntimeSuite


class TestRecorded(RuntimeSuite):
    @pytest.fixture
    def make(self):
        return lambda root: Recorded(root, {})
