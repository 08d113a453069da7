import pyroute2  # noqa: F401  # once, here, and not in each of the processes that the suite forks
import pytest
from sampan_ptp import PointToPoint

from sampan.model.network import Network
from sampan.testing.network import NetworkDriverSuite


class TestPointToPoint(NetworkDriverSuite):
    crowd = 40  # each connection takes it several messages by way of a library

    @pytest.fixture
    def make(self):
        return lambda root, run_root: (PointToPoint(run_root), Network(id="ptp", name="ptp", driver="ptp"))
