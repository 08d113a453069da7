"""Check that a network driver keeps its contract.

A driver's author subclasses the suite and says how the driver is opened::

    class TestMine(NetworkDriverSuite):
        @pytest.fixture
        def make(self):
            def make(root, run_root):
                return MyDriver(root, run_root), Network(id="n1", name="n1", driver="mine")
            return make

``make`` may be called more than once on the same directories, also in other processes: that is what commands
do. What the driver declares as its capabilities decides what is asked of it, nothing else. Other networks that tests
make have the settings of that one, unless ``another`` is overridden; for a driver that is slow a ``crowd`` may be less.

Every test has a host of its own: a fresh network namespace that the test's thread is in, loopback up. So
drivers may name bridges and choose subnets as they would on a machine, tests run in parallel, and nothing that
goes wrong touches the real host. It takes root.
"""

from sampan.testing.network.setting import Make, Setting
from sampan.testing.network.suite import NetworkDriverSuite

__all__ = ["Make", "NetworkDriverSuite", "Setting"]
