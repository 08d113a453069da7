"""Check that a storage driver keeps its contract.

A driver's author subclasses the suite and says how the driver is opened on a directory::

    class TestMine(StorageDriverSuite):
        @pytest.fixture
        def make(self):
            return MyDriver

``make`` is called with a directory that is empty at first, more than once and in other processes: that is what
commands do. What the driver declares as its capabilities decides what is asked of it, nothing else. It takes root.
"""

from sampan.testing.storage.archive import CAPABILITY, Archive
from sampan.testing.storage.suite import StorageDriverSuite
from sampan.testing.storage.trees import Make, layer, names, read, tree

__all__ = ["CAPABILITY", "Archive", "Make", "StorageDriverSuite", "layer", "names", "read", "tree"]
