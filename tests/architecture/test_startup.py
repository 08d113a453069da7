"""What needs no plugin pays for none. Of commands the suite of ``sampan.testing.command`` asks it, of each."""

import json
import os
import subprocess
import sys

import pytest

from sampan.testing.plugin import HEAVY

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
