import pytest
from sampan_example_volume import Shared

from sampan.testing.volume import VolumeDriverSuite


class TestShared(VolumeDriverSuite):
    @pytest.fixture
    def make(self):
        def make(root):
            root.mkdir(exist_ok=True)
            return Shared(str(root))

        return make
