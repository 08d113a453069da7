import pytest
from sampan_example_log import Database

from sampan.testing.log import LogDriverSuite


class TestDatabase(LogDriverSuite):
    @pytest.fixture
    def make(self):
        return Database
