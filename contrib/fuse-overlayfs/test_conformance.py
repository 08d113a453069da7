import pytest
from sampan_fuse_overlayfs import FuseOverlay

from sampan.testing.storage import StorageDriverSuite


class TestFuseOverlay(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        return FuseOverlay
