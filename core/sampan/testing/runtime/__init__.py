"""Check a runtime against the contract of ``sampan.contracts.runtime``, and against the OCI runtime-spec.

A plugin's test subclasses RuntimeSuite and provides one fixture, ``make``, that opens the runtime on a directory::

    class TestMine(RuntimeSuite):
        @pytest.fixture
        def make(self):
            return MyRuntime

``make`` is called with a directory that may be wiped by a reboot, more than once and in other processes: that is what
commands do. What the runtime declares as its capabilities decides what is asked of it, nothing else. It takes root and
a static busybox. Where runtimes in wide use differ from the specification, either way is taken.
"""

from sampan.testing.runtime.suite import Make, RuntimeSuite

__all__ = ["Make", "RuntimeSuite"]
