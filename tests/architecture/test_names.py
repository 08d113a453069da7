"""Core names no backend, and every plugin on disk is declared as anyone's would be."""

import ast
import tomllib
from pathlib import Path

import pytest

import sampan

TOP = Path(__file__).parents[2]
GROUPS = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["entry-points"]
BACKENDS = {name for group, points in GROUPS.items() if group != "sampan.commands" for name in points}
# Words that mean something else as well, and where: the user's for a mode of a namespace (--uts host, --ipc none),
# mount(8)'s for no source, Docker's for what is of this machine alone (a scope), and a hook's argument.
EXCUSED = {
    "sampan/contracts/volume.py": {"local"},
    "sampan/engine/": {"host", "none", "local"},
    "sampan/kernel/": {"none"},
    "sampan/testing/": {"none"},
    "sampan/plugin/manager.py": {"host"},
}


def literals(file):
    tree = ast.parse(file.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


CORE = [str(file.relative_to(TOP / "core")) for file in sorted((TOP / "core").rglob("*.py"))]


@pytest.mark.parametrize("file", [file for file in CORE if file != "sampan/config.py"])
def test_core_names_no_backend(file):
    excused = {word for where, words in EXCUSED.items() if file.startswith(where) for word in words}
    assert set(literals(TOP / "core" / file)) & (BACKENDS - excused) == set()


def test_defaults_are_bundled_plugins():
    settings = sampan.Settings()
    chosen = {
        "storage": settings.storage, "network": [settings.network], "runtimes": [settings.runtime],
        "logs": [settings.log_driver], "volumes": [settings.volume_driver, settings.volume_fallback],
        "registries": [settings.registry],
        "formats": [settings.rootfs_format, settings.image_format],
    }
    for slot, names in chosen.items():
        assert set(names) <= set(GROUPS[f"sampan.{slot}"])


def test_every_plugin_module_has_an_entry_point_and_the_other_way_round():
    base = TOP / "plugins"
    files = [
        *base.glob("sampan_plugins/*/*/plugin.py"),
        *(file for file in base.glob("sampan_plugins/commands/*.py") if is_command(file)),
    ]
    on_disk = {".".join(file.relative_to(base).with_suffix("").parts) for file in files}
    declared = {target for points in GROUPS.values() for target in points.values()}
    assert declared == on_disk


def is_command(file):
    # What several commands share lies beside them and opens none.
    return "def sampan_open_command(" in file.read_text()


def test_what_is_public_is_sorted_and_exists():
    assert sampan.__all__ == sorted(sampan.__all__)
    assert sampan.__all__ == ["Engine", "Settings", "__version__", "hookimpl"]
    assert all(getattr(sampan, name) for name in sampan.__all__)
    with pytest.raises(AttributeError):
        _ = sampan.engines
