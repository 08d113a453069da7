from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from sampan.contracts.runtime import Pauses, Runtime


@pytest.mark.parametrize("name", ["native", "oci"])
def test_the_plugin_opens_its_driver(name: str, tmp_path: Path) -> None:
    plugin = importlib.import_module(f"sampan_plugins.runtimes.{name}.plugin")
    assert plugin.sampan_plugin_info("runtimes", name).summary
    runtime = plugin.sampan_open_runtime(name, str(tmp_path), {})
    assert isinstance(runtime, Runtime)
    assert isinstance(runtime, Pauses)
    assert runtime.capabilities.pause
