"""The examples keep what is asked of every plugin, and pass their slots' suites, as the guides show it of each."""

import pytest
import test_runtime
from test_command import TestAddresses  # noqa: F401  # found here by pytest
from test_format import TestTarXZ, TestZip  # noqa: F401
from test_log import TestDatabase  # noqa: F401
from test_network import TestProgram  # noqa: F401
from test_registry import TestPull, TestPush  # noqa: F401
from test_volume import TestShared  # noqa: F401

from sampan.config import Settings
from sampan.testing.plugin import PluginSuite
from sampan.testing.runtime.lifecycle import LifecycleTests

PLUGINS = (
    "network/program", "registries/shelf", "formats/tar-xz", "formats/zip", "runtimes/recorded", "logs/database",
    "volumes/shared", "commands/addresses", "extensions/example",
)  # fmt: skip
OPTIONS = {"network/program": {"program": "true"}, "volumes/shared": {"path": "/"}}


class TestRecorded(LifecycleTests):
    """What the example changes of the native runtime; `pytest test_runtime.py` asks all of it, and takes longer."""

    make, runtime = test_runtime.TestRecorded.make, test_runtime.TestRecorded.runtime
    boxes, box = test_runtime.TestRecorded.boxes, test_runtime.TestRecorded.box


class TestEvery(PluginSuite):
    @pytest.fixture(params=PLUGINS)
    def plugin(self, request):
        return request.param

    @pytest.fixture
    def settings(self):
        return Settings(options=OPTIONS)
