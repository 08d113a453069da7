"""A command pays for what it uses: nothing heavy is loaded on the way to it."""

import json
import os
import subprocess
import sys

import pytest

from sampan.plugin.discovery import discover

HEAVY = ("requests", "urllib3", "pyroute2", "stevedore", "importlib.metadata", "sqlite3", "asyncio")
PROBE = """
import atexit, json, os, sys

def tell(path=os.environ["PROBE"]):
    with open(path, "w") as file:
        json.dump(sorted(sys.modules), file)

import json.encoder
atexit.register(tell)
sys.argv = ["sampan", *sys.argv[1:]]
from sampan.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    where = tmp_path_factory.mktemp("start")
    environ = {**os.environ, "SAMPAN_CACHE_DIR": str(where / "cache"), "PROBE": str(where / "modules")}

    def run(*args):
        done = subprocess.run([sys.executable, "-c", PROBE, *args], capture_output=True, cwd="/", env=environ)
        return done, set(json.loads((where / "modules").read_text()))

    run()  # fills the index
    return run


def drivers(modules):
    return {m for m in modules if m.startswith("sampan_plugins.") and not m.startswith("sampan_plugins.commands")}


def test_version_loads_nothing(loaded):
    done, modules = loaded("--version")
    assert done.stdout.startswith(b"Sampan version ")
    assert {m for m in modules if m.startswith("sampan")} == {"sampan", "sampan.cli", "sampan.cli.main"}
    assert not modules & {"click", "pluggy", "msgspec", "typing", *HEAVY}


@pytest.mark.parametrize("args", [[], ["--help"]])
def test_help_loads_no_command_and_no_manager(loaded, args):
    done, modules = loaded(*args)
    assert b"Management Commands:" in done.stdout
    assert not modules & {"click", "pluggy", "sampan.plugin.manager", *HEAVY}
    assert not {m for m in modules if m.startswith("sampan_plugins")}


CLAIMS, _ = discover()
NAMES = sorted({claim.name for claim in CLAIMS if claim.slot == "commands" and claim.distribution == "sampan"})


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_help_loads_that_command_and_nothing_heavy(loaded, name):
    done, modules = loaded(*name.split("."), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"Usage:  sampan " + name.replace(".", " ").encode())
    assert not modules & set(HEAVY)
    assert drivers(modules) == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_in_the_overview_is_the_commands_own(name):
    from sampan.config import Settings
    from sampan.plugin.manager import Plugins

    plugins = Plugins(Settings(), claims=CLAIMS)
    first = (plugins.open_command(name).help or "").partition("\n")[0].removesuffix(".")
    assert first == plugins.find("commands", name).summary
