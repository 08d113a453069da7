"""``plugin check`` holds installed plugins to their suites, and says in one line why it cannot."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tests.services.images import push_image
from tests.services.registry import RegistryServer

from sampan.testing.commandline import Done, Sampan

FORGETFUL = '''
"""Take everything and forget it."""
from sampan import hookimpl
from sampan.contracts.log import LogDriver, LogWriter

class Writer(LogWriter):
    def write(self, stream, content, time): pass
    def close(self): pass

class Forgetful(LogDriver):
    def open(self, where, container, options, attributes=()): return Writer()
    def read(self, where, options, **how): return iter(())

@hookimpl
def sampan_open_logs(name): return Forgetful()
'''


@pytest.fixture
def check(tmp_path: Path) -> Sampan:
    return Sampan(tmp_path)


@pytest.fixture
def forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log driver that is installed, and wrong."""
    info = tmp_path / "site/acme-3.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site/acme_logs.py").write_text(FORGETFUL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 3\n")
    (info / "entry_points.txt").write_text("[sampan.logs]\nforgetful = acme_logs\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("SAMPAN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def run(check: Sampan, *words: str) -> Done:
    return check.run("plugin", "check", *words)


@pytest.mark.parametrize(
    "words", [("logs", "json-file"), ("logs/json-file",), ("json-file",), ("commands", "plugin ls")])
def test_a_right_one_passes_however_it_is_named(check: Sampan, words: tuple[str, ...]) -> None:
    done = run(check, "-k", "unknown or hooks", *words)
    assert done.code == 0 and " passed" in done.out and done.err == "", done


@pytest.mark.usefixtures("forgetful")
def test_a_wrong_one_fails(check: Sampan) -> None:
    done = run(check, "forgetful", "-x", "-k", "order")
    assert done.code == 1 and "test_lines_come_back_in_order" in done.out, done
    assert done.err == "Error: logs/forgetful does not keep its contract\n"


def test_a_registry_client_is_checked_on_a_registry(
    check: Sampan, registry: RegistryServer, small_image: str
) -> None:
    push_image(small_image, registry, "check/image:1")
    where = ["--image", f"{registry.address}/check/image:1", "--push", f"{registry.address}/check"]
    done = run(check, "registries/distribution", *where, "-k", "tag or mount or unknown")
    assert done.code == 0 and " passed" in done.out, done
    done = run(check, "registries/distribution", "--image", f"{registry.address}/check/nothing:1")
    assert done.code == 1 and done.err.startswith("Error: ") and "nothing" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize(("words", "message"), [
    (("none",), 'several plugins are named "none" (name the slot: logs, network)'),
    (("storage", "x"), 'no storage driver named "x" ('),
    (("strage/x",), "no plugin slot named 'strage' ("),
    (("x",), 'no plugin named "x" ('),
    (("distribution",), "a registry client needs a registry to be checked on (give --image, --push or both)"),
    (("json-file", "-o", "x"), 'invalid option "x" (write it as KEY=VALUE)'),
    (("json-file", "-k", "xyzzy"), "logs/json-file has no check whose name matches 'xyzzy'"),
    (("oci-dir",), "formats/oci-dir only reads, and there is nothing to read ("),
])
def test_what_cannot_be_checked(check: Sampan, words: tuple[str, ...], message: str) -> None:
    done = run(check, *words)
    assert done.code == 1 and done.err.startswith(f"Error: {message}") and done.err.count("\n") == 1, done


def test_it_takes_pytest(check: Sampan, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pytest" else found(name))
    done = run(check, "json-file")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "Error: checking a plugin takes pytest, which is not installed (pip install sampan[testing])\n")
