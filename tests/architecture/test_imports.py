"""Who may import whom: CONTRIBUTING's table, checked on the syntax trees."""

import ast
import re
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
CORE, PLUGINS = TOP / "core", TOP / "plugins"
PUBLIC = {"sampan", "sampan.errors", "sampan.model"}

# Room: what of sampan it may import, and which third parties. The standard library is everyone's.
ROOMS = {
    "sampan.errors": (set(), set()),
    "sampan.model": ({"errors", "model"}, {"msgspec"}),
    "sampan.config": ({"errors"}, {"msgspec"}),
    "sampan.contracts": ({"contracts", "model", "errors"}, {"msgspec"}),
    "sampan.hookspecs": ({"plugin.markers"}, set()),
    "sampan.kernel": ({"kernel", "errors", "model"}, {"msgspec"}),
    "sampan.layers": ({"layers", "kernel", "model", "errors"}, {"msgspec", "zstandard", "isal"}),
    "sampan.naive": ({"naive", "contracts", "layers", "kernel", "model", "errors"}, {"msgspec"}),
    "sampan.addressing": ({"addressing", "contracts", "kernel", "model", "errors"}, {"msgspec"}),
    "sampan.plugin": (
        {"plugin", "hookspecs", "contracts", "model", "errors", "config"},
        {"msgspec", "pluggy", "stevedore"},
    ),
    "sampan.store": ({"store", "model", "errors", "kernel"}, {"msgspec"}),
    "sampan.engine": (
        {"engine", "store", "plugin", "naive", "layers", "kernel", "hookspecs", "contracts", "config", "model",
         "errors", ""},
        {"msgspec", "zstandard", "isal"},
    ),
    "sampan.engine.naming.server": ({"engine", "store", "kernel", "model", "errors"}, {"msgspec", "dnslib"}),
    "sampan.cli": ({"cli", "config", "plugin", "engine", "errors", "model", ""}, {"click", "msgspec"}),
    "sampan.testing": (
        {"testing", "contracts", "model", "errors", "naive", "kernel", "layers", "engine.confinement", "plugin",
         "config", "cli"},
        {"msgspec", "pytest", "click"},
    ),
    "sampan": ({"config", "engine", "plugin.markers"}, set()),
}
DRIVER = {"contracts", "model", "errors", "kernel", "layers", "naive", "addressing"}
PLUGIN = {"", "model", "errors", "contracts.plugin"}
PROGRAM = DRIVER | {""}  # a driver's own command line, which tells the version
COMMAND = {"", "cli", "model", "errors", "config", "plugin", "contracts"}
BACKENDS = {"requests", "pyroute2"}


def modules(base):
    for file in sorted(base.rglob("*.py")):
        parts = file.relative_to(base).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imports(file, name, *, typing=False):
    """Yield (module, at_top_level) of each import, those under TYPE_CHECKING only when asked."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]

    def visit(node, top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test) and not typing:
                for other in child.orelse:
                    yield from visit(other, top)
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.name, top
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    above = package.split(".")[: len(package.split(".")) - child.level + 1]
                    base = ".".join([*above, *filter(None, [base])])
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    yield (full if exists(full) else base), top
            else:
                inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from visit(child, top and not inner)

    yield from visit(ast.parse(file.read_text()), True)


def exists(module):
    path = Path(*module.split("."))
    return any((base / path).with_suffix(".py").exists() or (base / path).is_dir() for base in (CORE, PLUGINS))


def within(module, rooms):
    ours = module.removeprefix("sampan").removeprefix(".")
    return any(ours == room or (room and ours.startswith(f"{room}.")) for room in rooms)


def room_of(name):
    return max((room for room in ROOMS if name == room or name.startswith(f"{room}.")), key=len)


def foreign(module):
    first = module.partition(".")[0]
    return None if first in sys.stdlib_module_names or first == "__future__" else first


@pytest.mark.parametrize(("name", "file"), [pytest.param(n, f, id=n) for n, f in modules(CORE)])
def test_core_module_stays_within_its_room(name, file):
    ours, theirs = ROOMS[room_of(name)]
    wrong = []
    for module, _ in imports(file, name):
        first = foreign(module)
        if first == "sampan":
            if not within(module, ours):
                wrong.append(module)
        elif first is not None and first not in theirs:
            wrong.append(module)
    assert wrong == []


@pytest.mark.parametrize(("name", "file"), [pytest.param(n, f, id=n) for n, f in modules(CORE)])
def test_core_knows_no_plugin_and_no_testing_even_for_types(name, file):
    for module, _ in imports(file, name, typing=True):
        assert not module.startswith("sampan_plugins")
        assert not module.startswith("sampan.testing") or name.startswith("sampan.testing")


def bundled(kind):
    for name, file in modules(PLUGINS):
        parts = name.split(".")
        command = len(parts) > 2 and parts[1] == "commands"
        if file.name == "__init__.py" and not file.read_text().strip():
            continue
        what = "command" if command else "plugin" if parts[-1] == "plugin" else "driver"
        if what == kind:
            yield pytest.param(name, file, id=name)


@pytest.mark.parametrize(("name", "file"), list(bundled("driver")))
def test_driver_is_usable_without_a_registry_of_plugins(name, file):
    home = ".".join(name.split(".")[:3])
    for module, _ in imports(file, name):
        first = foreign(module)
        assert first not in {"pluggy", "click", "stevedore"}, module
        if first == "sampan":
            assert within(module, PROGRAM if name == f"{home}.cli.main" else DRIVER), module
        elif first == "sampan_plugins":
            assert module == home or module.startswith(f"{home}."), module


@pytest.mark.parametrize(("name", "file"), list(bundled("plugin")))
def test_plugin_module_loads_its_driver_inside_the_hook(name, file):
    home = name.rpartition(".")[0]
    for module, top in imports(file, name):
        first = foreign(module)
        if first == "sampan_plugins":
            assert module.startswith(f"{home}."), module
            assert not top, f"{module} is imported at top level"
        elif first == "sampan":
            assert within(module, PLUGIN | (set() if top else DRIVER)), module
        elif first is not None:
            assert first == "msgspec", module


@pytest.mark.parametrize(("name", "file"), list(bundled("command")))
def test_command_reaches_no_driver_and_no_other_command(name, file):
    for module, top in imports(file, name):
        first = foreign(module)
        assert first not in BACKENDS | {"pluggy", "stevedore"}, module
        if first == "sampan":
            assert within(module, COMMAND | (set() if top else {"engine"})), module
        elif first == "sampan_plugins":
            assert re.fullmatch(r"sampan_plugins\.commands(\.\w+)?", module), module


@pytest.mark.parametrize(("name", "file"), list(bundled("command")))
def test_command_takes_no_privates_of_another(name, file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sampan_plugins.commands."):
            assert [alias.name for alias in node.names if alias.name.startswith("_")] == []
