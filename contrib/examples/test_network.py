from pathlib import Path

import pytest
from sampan_example_network import Program

from sampan.model.network import Network
from sampan.testing.network import NetworkDriverSuite


class TestProgram(NetworkDriverSuite):
    @pytest.fixture
    def make(self):
        wire = str(Path(__file__).with_name("wire"))
        return lambda root, run_root: (Program(wire, run_root), Network(id="n1", name="n1", driver="program"))
