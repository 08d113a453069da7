import pytest
from sampan_example_storage import Copies

from sampan.testing.storage import StorageDriverSuite


class TestCopies(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        return lambda root: Copies(str(root))
