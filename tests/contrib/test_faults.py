"""A plugin that hangs when imported, or fails when it is called, is one line that names it; all else goes on."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from tests.core.plugin.conftest import Site
from tests.integration.sampan import Sampan

_HANGS = "import time\ntime.sleep(600)"
_FAILS = """
from sampan import hookimpl
from {module} import {contract}

UNDOING = {undoing}

def broken(self, *words, **named):
    raise RuntimeError("oh")

def harmless(self, *words, **named):
    return ()

@hookimpl
def {hook}(name):
    members = {{each: harmless if each in UNDOING else broken for each in {contract}.__abstractmethods__}}
    return type("Bad", ({contract},), members)()
"""
_UNDOING = {"remove", "walk", "disconnect", "endpoints", "delete", "pids", "unmount", "where"}
"""What is called to undo a failure."""
_COMMAND = """
import click
from sampan import hookimpl

@hookimpl
def sampan_open_command(name):
    return click.Command(name, callback=lambda: {}["oh"])
"""
_NET = ("--net", "none")
_SLOTS = {
    "commands": ("", "", (), ("NAME",), 1),
    "registries": ("sampan.contracts.registry", "Registry", ("--registry-driver", "NAME"), ("pull", "some:1"), 1),
    "storage": ("sampan.contracts.storage", "StorageDriver", ("--storage-driver", "NAME"), ("run", *_NET, "bb:1"), 125),
    "network": ("sampan.contracts.network", "NetworkDriver", (), ("run", "--rm", "--net", "NAME", "bb:1"), 125),
    "formats": ("sampan.contracts.format", "ImageFormat", (), ("save", "--format-driver=NAME", "-o", "O", "bb:1"), 1),
    "runtimes": ("sampan.contracts.runtime", "Runtime", (), ("run", "--rm", *_NET, "--runtime", "NAME", "bb:1"), 125),
    "logs": ("sampan.contracts.log", "LogDriver", (), ("run", "--rm", *_NET, "--log-driver", "NAME", "bb:1"), 125),
    "volumes": ("sampan.contracts.volume", "VolumeDriver", (), ("volume", "create", "-d", "NAME", "v"), 1),
}
"""For each slot its contract, and how a command is told to use a plugin of some name."""


def _fails(module: str, contract: str, hook: str, undoing: Collection[str] = _UNDOING) -> str:
    return _FAILS.format(module=module, contract=contract, hook=hook, undoing=set(undoing))


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch, sampan: Sampan, tmp_path: Path) -> Iterator[Sampan]:
    """A Sampan with a plugin that hangs and one that fails in every slot but that of extensions."""
    site = Site(tmp_path, None)
    for slot, (module, contract, *_) in _SLOTS.items():
        hook = "sampan_open_" + {"registries": "registry", "formats": "format", "runtimes": "runtime"}.get(slot, slot)
        fails = _fails(module, contract, hook) if contract else _COMMAND
        modules = {f"faulty_{slot}_hangs": _HANGS, f"faulty_{slot}_fails": fails}
        points = {"hangs": f"faulty_{slot}_hangs", "fails": f"faulty_{slot}_fails"}
        site.install(f"acme-{slot}", {slot: points}, modules)
    sampan.environ |= {"PYTHONPATH": str(tmp_path)}
    monkeypatch.syspath_prepend(str(tmp_path))  # for clearing the store
    sampan.config.write_text("plugin_timeout = 0.5\n" + sampan.config.read_text())
    yield sampan
    for slot in _SLOTS:  # mended, so that the store can be cleared
        shutil.copy(tmp_path / f"faulty_{slot}_fails.py", tmp_path / f"faulty_{slot}_hangs.py")


@pytest.mark.parametrize("slot", list(_SLOTS))
def test_the_one_that_is_named_is_told_of_in_one_line(faulty: Sampan, slot: str, tmp_path: Path) -> None:
    _, _, flags, use, code = _SLOTS[slot]
    for name, reason in (("hangs", "cannot be imported: it was not done after 0.5 seconds"), ("fails", "failed: ")):
        words = [str(tmp_path / "archive") if word == "O" else word.replace("NAME", name) for word in (*flags, *use)]
        line = faulty.fails(*words, code=code)
        assert f"plugin {slot}/{name} (acme-{slot} 1.0) {reason}" in line
    assert faulty.run("ps", "-aq") == ""
    assert faulty.run("volume", "ls", "-q") == ""
    assert not (tmp_path / "archive").exists()


def test_whatever_does_not_use_them_goes_on(faulty: Sampan, tmp_path: Path) -> None:
    assert faulty.run("run", "--rm", "-v", "data:/data", "bb:1", "echo", "hello") == "hello"
    assert "hangs" in faulty.run("--help")
    faulty.run("save", "-o", tmp_path / "archive", "bb:1")
    faulty.run("load", "-i", tmp_path / "archive")


@pytest.mark.parametrize("slot", ["storage", "network", "runtimes"])
def test_one_that_cannot_even_undo_holds_up_nothing_and_is_asked_again(
    faulty: Sampan, slot: str, tmp_path: Path
) -> None:
    module, contract, flags, use, _ = _SLOTS[slot]
    hook = "sampan_open_" + slot.removesuffix("s")
    source = tmp_path / f"faulty_{slot}_fails.py"
    source.write_text(_fails(module, contract, hook, ()))
    faulty.fails(*(word.replace("NAME", "fails") for word in (*flags, *use)), code=125)
    assert faulty.run("run", "--rm", "bb:1", "echo", "hello") == "hello"
    source.write_text(_fails(module, contract, hook))
    faulty.run("ps", "-aq")
    assert faulty.run("ps", "-aq") == ""


_ODD = {
    "storage": ("mounts", "--storage-driver", "overlay2.driver", "OverlayDriver", "root"),
    "network": ("connect", "--network", "none.driver", "NoneDriver", ""),
    "runtimes": ("create", "--runtime", "native.driver", "NativeRuntime", "run_root, {}"),
}
"""For each slot a method that answers what it should not, and otherwise a bundled driver."""


@pytest.mark.parametrize("slot", list(_ODD))
def test_an_answer_of_the_wrong_type_is_the_plugins_fault(faulty: Sampan, slot: str, tmp_path: Path) -> None:
    method, flag, module, driver, arguments = _ODD[slot]
    answer = "['odd']" if slot == "storage" else "None"
    hook = "sampan_open_" + slot.removesuffix("s")
    (tmp_path / f"faulty_{slot}_fails.py").write_text(
        f"from sampan import hookimpl\nfrom sampan_plugins.{slot}.{module} import {driver}\n"
        f"class Odd({driver}):\n    def {method}(self, *words, **named): return {answer}\n"
        f"@hookimpl\ndef {hook}({arguments.replace(', {}', '')}): return Odd({arguments})\n"
    )
    others = () if slot == "network" else _NET
    line = faulty.fails("run", "--rm", *others, flag, "fails", "bb:1", code=125)
    odd = "str" if slot == "storage" else "NoneType"
    assert line.startswith(f"plugin {slot}/fails (acme-{slot} 1.0) returned {odd} from {method}, which is no ")
    assert faulty.run("ps", "-aq") == ""
