"""Lists in the documents are whole: settings with defaults, bundled plugins, rooms; the flags told of are flags."""

import re
import tomllib
from fnmatch import filter as matching
from pathlib import Path

import msgspec
import pytest

from sampan.config import RegistryHost, Settings
from sampan.plugin.manager import Plugins
from sampan.plugin.slots import SLOTS

_ROOT = Path(__file__).parents[2]
_DECLARED = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["entry-points"]


def test_every_setting_is_shown_with_its_default():
    (shown,) = re.findall(r"^```toml\n(.*?)^```", (_ROOT / "docs/configuration.md").read_text(), re.M | re.S)
    table = tomllib.loads(shown)
    assert set(table) == set(Settings.__struct_fields__)
    assert set(table["registries"]["registry.example:5000"]) == set(RegistryHost.__struct_fields__)
    scalars = {key: value for key, value in table.items() if not isinstance(value, dict)}
    assert msgspec.convert(scalars, Settings) == Settings()


@pytest.mark.parametrize("slot", [name for name in SLOTS if name not in ("commands", "extensions")])
def test_the_design_lists_the_bundled_plugins(slot):
    (listed,) = re.findall(rf"^\| {slot} \| `sampan.{slot}` \| (.*) \|$", (_ROOT / "docs/design.md").read_text(), re.M)
    assert set(re.findall(r"`([^`]+)`", listed)) == set(_DECLARED[f"sampan.{slot}"])


@pytest.mark.parametrize("top", ["core/sampan", "core/sampan/engine", "plugins/sampan_plugins", "tests"])
def test_the_design_shows_every_room(top):
    (tree,) = re.findall(r"^## The tree\n\n```\n(.*?)^```", (_ROOT / "docs/design.md").read_text(), re.M | re.S)
    rooms = {path.parent.name for path in (_ROOT / top).glob("*/*.py")} - {"__pycache__"}
    assert rooms and not {room for room in rooms if not re.search(rf"\b{room}/", tree)}


def test_the_flags_told_of_are_flags():
    flags = {name for parameter in Plugins(Settings()).open_command("run").params for name in parameter.opts}
    rows = re.findall(r"^\| (`.*?) \|", (_ROOT / "docs/flags.md").read_text(), re.M)
    told = {flag for row in rows for flag in re.findall(r"--[\w*-]+", row)}
    assert told and not [flag for flag in told if not matching(flags, flag)]
