import pytest
from sampan_squashfs import Squashfs

from sampan.testing.format import RootfsFormatSuite


class TestSquashfs(RootfsFormatSuite):
    @pytest.fixture
    def form(self):
        return Squashfs()
