import pytest
from sampan.testing.storage import StorageDriverSuite


class TestOverlay(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        from sampan_plugins.storage.overlay2.driver import OverlayDriver

        return OverlayDriver


class TestVfs(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        from sampan_plugins.storage.vfs.driver import VfsDriver

        return VfsDriver
