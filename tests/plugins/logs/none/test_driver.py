"""Test the log driver that keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.contracts.log import LogDriver
from sampan.errors import InvalidInput, Unsupported
from sampan.testing.log import LogDriverSuite
from sampan_plugins.logs.none import plugin
from sampan_plugins.logs.none.driver import NoneLogDriver


class TestNone(LogDriverSuite):
    @pytest.fixture
    def make(self) -> Callable[[], LogDriver]:
        return NoneLogDriver


def test_reading_is_unsupported_and_nothing_is_kept(tmp_path: Path) -> None:
    writer = NoneLogDriver().open(str(tmp_path), "ab" * 32, {})
    writer.write("stdout", b"secret\n", 1.0)
    writer.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unsupported, match="configured logging driver does not support reading"):
        NoneLogDriver().read(str(tmp_path), {})


def test_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="invalid logging opts for driver none"):
        NoneLogDriver().open(str(tmp_path), "ab" * 32, {"max-size": "1m"})


def test_the_plugin_opens_it() -> None:
    assert isinstance(plugin.sampan_open_logs("none", {}), NoneLogDriver)
    assert plugin.sampan_open_logs("other", {}) is None
    info = plugin.sampan_plugin_info("logs", "none")
    assert info is not None
    assert info.capabilities == {"reading": "no"}
    with pytest.raises(InvalidInput, match="unknown option 'x' for logs/none"):
        plugin.sampan_open_logs("none", {"x": 1})
