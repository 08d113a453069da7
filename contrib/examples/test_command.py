import pytest

from sampan.testing.command import CommandSuite


class TestAddresses(CommandSuite):
    @pytest.fixture
    def name(self):
        return "addresses"
