import pytest
from sampan_example_format import Zip
from sampan_example_rootfs import TarXZ

from sampan.testing.format import ImageFormatSuite, RootfsFormatSuite


class TestTarXZ(RootfsFormatSuite):
    @pytest.fixture
    def form(self):
        return TarXZ()


class TestZip(ImageFormatSuite):
    @pytest.fixture
    def form(self):
        return Zip()
