"""Bundled drivers that an extension wraps keep their contracts as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core.testing.noticing import noticed

from sampan.config import Settings
from sampan.plugin.discovery import discover
from sampan.plugin.index import Claim
from sampan.plugin.manager import Plugins

EXTENSION = '''
"""Count what is asked of drivers."""
from sampan import hookimpl

CALLS = []

def counted(driver):
    class Counted(type(driver)):
        def __getattribute__(self, name):
            CALLS.append(name)
            return super().__getattribute__(name)
    driver.__class__ = Counted
    return driver
'''
HOOK = '''
@hookimpl(wrapper=True)
def {hook}(name):
    driver = yield
    return counted(driver)
'''
# The suite, the hook, what opens a driver, and those tests of the suite that take no time.
WRAPPED: dict[str, tuple[str, Callable[[Plugins], Any], str]] = {
    "Storage": ("sampan_open_storage", lambda p: lambda root: p.open_storage("vfs", root), "keys or deletions"),
    "Network": ("sampan_open_network", lambda p: lambda root, run: p.open_network("none", root, run), "test"),
    "Runtime": ("sampan_open_runtime", lambda p: lambda root, _: p.open_runtime("native", root), "signal or exec_runs"),
    "Log": ("sampan_open_logs", lambda p: lambda: p.open_logs("json-file"), "test"),
    "Volume": ("sampan_open_volumes", lambda p: lambda root: p.open_volumes("local", root), "test"),
    "Rootfs": ("sampan_open_format", lambda p: lambda: p.open_format("rootfs-tar"), "test"),
}  # fmt: skip


@pytest.mark.parametrize("suite", WRAPPED)
def test_a_wrapped_driver_passes(suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook, opening, tests = WRAPPED[suite]
    name = f"counting_{suite.lower()}"
    (tmp_path / f"{name}.py").write_text(EXTENSION + HOOK.format(hook=hook))
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Plugins(Settings(), claims=(*discover()[0], Claim("extensions", name, name, "acme", "1")))
    opened = opening(plugins)

    def counted(*where: Any) -> Any:
        driver = opened(*where)
        assert type(driver).__name__ == "Counted"
        return driver

    assert noticed(suite, counted, tests, tmp_path) == set()
