"""Check what Sampan asks of every plugin, whatever its slot: it is found, it fits, and costs nothing until it is used.

A plugin's test subclasses PluginSuite and provides one fixture, the slot and the name of its entry point::

    class TestPlugin(PluginSuite):
        @pytest.fixture
        def plugin(self):
            return "storage/copies"

The plugin has to be installed.
"""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.config import RegistryHost, Settings
from sampan.errors import InvalidInput
from sampan.plugin import slots
from sampan.plugin.manager import Plugins

HEAVY = frozenset(("requests", "urllib3", "pyroute2", "stevedore", "importlib.metadata", "sqlite3", "asyncio"))
"""What may not be loaded before it is needed: each costs as much as a whole short command."""
_IMPORT = "import json, sys; import {module}; print(json.dumps(sorted(sys.modules)))"
_UNKNOWN = "no-such-option"


class PluginSuite:
    """What every plugin keeps to. Subclasses give the fixture ``plugin``."""

    @pytest.fixture
    def plugin(self) -> str:
        """Return SLOT/NAME; derived classes provide it."""
        raise NotImplementedError("a plugin's test provides the fixture plugin")

    @pytest.fixture
    def settings(self) -> Settings:
        """Return the configuration to open it with; a derived class gives the options that it cannot be without."""
        return Settings()

    @pytest.fixture
    def heavy(self) -> Collection[str]:
        """Return the modules that finding the plugin must not load; a derived class may add its own."""
        return HEAVY

    @pytest.fixture
    def plugins(self, settings: Settings) -> Plugins:
        """Return what is installed."""
        return Plugins(settings)

    @pytest.fixture
    def slot(self, plugin: str) -> str:
        """Return the slot."""
        return plugin.partition("/")[0]

    @pytest.fixture
    def point(self, plugin: str) -> str:
        """Return the name of the entry point."""
        return plugin.partition("/")[2]

    def test_one_distribution_claims_the_name(self, plugins: Plugins, slot: str, point: str) -> None:
        found = [claim for claim in plugins.claims if (claim.slot, claim.name) == (slot, point)]
        assert found, "it is not installed"
        assert len(found) == 1, f"claimed by {found}: using it is an error until the user pins one"

    def test_its_hooks_fit(self, plugins: Plugins, slot: str, point: str) -> None:
        hooks = plugins.hooks(slot, point)
        opening = slots.get(slot).hook
        assert opening in hooks if opening else hooks, "nothing would ever call it"
        assert plugins.warnings == []

    def test_it_tells_what_it_is(self, plugins: Plugins, slot: str, point: str) -> None:
        info = plugins.info(slot, point)
        assert info.summary, "its module has no documentation, nor does it implement sampan_plugin_info"
        assert all(option.name and option.summary for option in info.options)

    def test_being_found_loads_nothing_heavy(
        self, plugins: Plugins, slot: str, point: str, heavy: Collection[str]
    ) -> None:
        line = [sys.executable, "-c", _IMPORT.format(module=plugins.find(slot, point).module)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(line, capture_output=True, text=True, cwd="/", env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert set(json.loads(done.stdout)) & set(heavy) == set(), "import it inside the hook"

    def test_it_opens_what_its_slot_is_for(self, plugins: Plugins, slot: str, point: str, tmp_path: Path) -> None:
        if slots.get(slot).hook:
            close(opened(plugins, slot, point, tmp_path))

    def test_an_option_that_nobody_knows_is_refused(
        self, settings: Settings, slot: str, point: str, tmp_path: Path
    ) -> None:
        if slots.get(slot).hook and slot != "commands":
            key = f"{slot}/{point}"
            options = {**settings.options, key: {**settings.options.get(key, {}), _UNKNOWN: 1}}
            with pytest.raises(InvalidInput):
                opened(Plugins(msgspec.structs.replace(settings, options=options)), slot, point, tmp_path)


def opened(plugins: Plugins, slot: str, name: str, where: Path) -> Any:
    """Open a driver by its slot and name, on directories below ``where``. Raises what the plugin raises."""
    root, run_root = str(where / "root"), str(where / "run")
    if slot == "commands":
        return plugins.open_command(name)
    if slot == "storage":
        return plugins.open_storage(name, root)
    if slot == "network":
        return plugins.open_network(name, root, run_root)
    if slot == "registries":
        return plugins.open_registry(name, "registry.example/some/repository", RegistryHost())
    if slot == "formats":
        return plugins.open_format(name)
    if slot == "runtimes":
        return plugins.open_runtime(name, run_root)
    if slot == "logs":
        return plugins.open_logs(name)
    return plugins.open_volumes(name, root)


def close(driver: Any) -> None:
    """Let go of what a driver holds open, if it can."""
    if hasattr(driver, "close"):
        driver.close()
