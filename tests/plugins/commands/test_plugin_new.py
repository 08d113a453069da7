"""What ``plugin new`` writes is a project that can be installed, works and passes its own tests, for every slot."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from sampan.plugin.slots import SLOTS
from sampan.testing.commandline import Done, Sampan

# The bundled drivers that these two are much like go through the whole of their suites, which takes a while.
_ENOUGH = {"runtimes": "TestPlugin or signal or exit_code or killed", "storage": "not deep and not killed and not 127"}
_ROOT = Path(__file__).parents[3]


def new(where: Path, *words: str) -> Done:
    """Run ``plugin new`` in a directory."""
    before = os.getcwd()
    os.chdir(where)
    try:
        return Sampan(where).run("plugin", "new", *words)
    finally:
        os.chdir(before)


def files(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()} - {"out", "err"}


@pytest.mark.parametrize("slot", SLOTS)
def test_what_is_written_passes_its_own_tests(slot: str, tmp_path: Path) -> None:
    done = new(tmp_path, slot, "acme-two", "project")
    assert (done.code, done.err) == (0, ""), done
    project, site = tmp_path / "project", tmp_path / "site"
    assert done.out.splitlines()[:-1] == sorted(f"project/{file}" for file in files(project))
    for wheel in WheelBuilder(str(project)).build(directory=str(tmp_path / "wheel")):
        zipfile.ZipFile(wheel).extractall(site)  # all that installing a wheel takes
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", _ENOUGH.get(slot, "")]
    environment = {**os.environ, "PYTHONPATH": str(site), "SAMPAN_CACHE_DIR": str(tmp_path / "cache")}
    tested = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert tested.returncode == 0 and " passed" in tested.stdout, tested.stdout


def test_what_is_written_is_as_well_written_as_sampan(tmp_path: Path) -> None:
    for slot in SLOTS:
        assert new(tmp_path, slot, f"acme-{slot}").code == 0
    style = ["--config", str(_ROOT / "pyproject.toml")]
    ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--no-cache", "--ignore=I001", *style, str(tmp_path)]
    done = subprocess.run(ruff, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_command_in_a_group(tmp_path: Path) -> None:
    done = new(tmp_path, "-q", "commands", "container tally")
    assert (done.code, done.out) == (0, "sampan-container-tally\n")
    project = tmp_path / "sampan-container-tally"
    assert '"container.tally" = "sampan_container_tally.plugin"' in (project / "pyproject.toml").read_text()
    assert '@command("tally")' in (project / "sampan_container_tally/plugin.py").read_text()


@pytest.mark.parametrize(("words", "message"), [
    (("strage", "x"), "Error: no plugin slot named 'strage' (the slots are commands, "),
    (("storage", "X!"), "Error: invalid plugin name 'X!' ("),
    (("storage", "../x"), "Error: invalid plugin name '../x' ("),
    (("storage", "vfs"), "Error: storage/vfs is there already, from sampan (choose another name)"),
    (("storage", "x", "full"), "Error: full exists and is not empty (name another directory)"),
    (("storage", "x", "full/file"), "Error: full/file exists and is not empty (name another directory)"),
    (("storage", "x", "full/file/below"), "Error: "),
])
def test_what_cannot_be_is_refused_and_nothing_written(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    done = new(tmp_path, *words)
    assert done.code == 1 and done.out == "" and done.err.startswith(message), done
    assert files(tmp_path) == {"full/file"}
