"""docs/hooks.md tells the truth: every hook has a heading with its signature and an example that runs."""

import ast
import re
from pathlib import Path
from types import ModuleType

import click
import pluggy
import pytest
from tests.docs.test_guides import GUIDES, files, guide

from sampan.config import RegistryHost
from sampan.contracts.format import Format
from sampan.contracts.log import LogDriver
from sampan.contracts.network import NetworkDriver
from sampan.contracts.plugin import PluginInfo
from sampan.contracts.registry import Registry
from sampan.contracts.runtime import Runtime
from sampan.contracts.storage import StorageDriver
from sampan.contracts.volume import VolumeDriver
from sampan.hookspecs import events, providers
from sampan.plugin.slots import SLOTS

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/hooks.md").read_text()
SECTIONS = dict(re.findall(r"^### `(\w+)\(.*?\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))


def signatures():
    for module in (providers, events):
        for node in ast.parse(Path(module.__file__).read_text()).body:
            if isinstance(node, ast.FunctionDef):
                yield node.name, f"{node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


HOOKS = dict(signatures())


@pytest.mark.parametrize("hook", list(HOOKS))
def test_every_hook_has_a_heading_with_its_exact_signature(hook):
    assert f"### `{HOOKS[hook]}`\n" in PAGE


def test_no_heading_is_of_a_hook_that_does_not_exist():
    assert set(SECTIONS) == set(HOOKS)


@pytest.mark.parametrize("hook", list(HOOKS))
def test_every_hook_has_a_test_that_bears_its_name(hook):
    tests = (TOP / "tests").rglob("test_*.py")
    assert any(hook in path.read_text() for path in tests if path != Path(__file__))


@pytest.mark.parametrize("slot", list(SLOTS.values()), ids=list(SLOTS))
def test_every_slot_is_in_the_table(slot):
    contract = slot.contract.replace(":", ".")
    row = f"| {slot.name} | `{slot.group}` | `{slot.hook}` | `{contract}` |"
    assert (row in PAGE) if slot.hook else (f"| {slot.name} | `{slot.group}` |" in PAGE)


def examples_of(hook):
    """Return the plugins that the hook's section shows, and those that the guide to its slot does."""
    slot = next((slot.name for slot in SLOTS.values() if slot.hook == hook), None)
    if slot:
        assert f"]({GUIDES[slot]})" in SECTIONS[hook]
        yield from (code for path, code in files(guide(slot)).items() if "sampan_example_" in path)
    yield from re.findall(r"^```python\n(.*?)^```", SECTIONS[hook], re.M | re.S)


def examples():
    for hook in SECTIONS:
        for number, code in enumerate(examples_of(hook)):
            yield pytest.param(hook, code, id=f"{hook}-{number}")


@pytest.mark.parametrize("hook", list(HOOKS))
def test_every_hook_has_an_example(hook):
    assert any(examples_of(hook))


def fitted(code):
    manager = pluggy.PluginManager("sampan")
    manager.add_hookspecs(providers)
    manager.add_hookspecs(events)
    module = ModuleType("example")
    exec(compile(code, "docs/hooks.md", "exec"), module.__dict__)
    manager.register(module)
    manager.check_pending()
    return manager, module


@pytest.mark.parametrize(("hook", "code"), list(examples()))
def test_every_example_implements_its_hook(hook, code):
    manager, module = fitted(code)
    assert hook in [caller.name for caller in manager.get_hookcallers(module)]


def example_of(hook, number=0):
    return list(examples_of(hook))[number]


@pytest.mark.parametrize(
    ("hook", "arguments", "contract"),
    [
        ("sampan_plugin_info", {"slot": "storage", "name": "x"}, PluginInfo),
        ("sampan_open_command", {"name": "hello"}, click.Command),
        ("sampan_open_storage", {"name": "x", "root": "ROOT", "options": {}}, StorageDriver),
        (
            "sampan_open_network",
            {"name": "x", "root": "ROOT", "run_root": "ROOT", "options": {"program": "true"}},
            NetworkDriver,
        ),
        (
            "sampan_open_registry",
            {"name": "x", "repository": "h/r", "host": RegistryHost(), "options": {}},
            Registry,
        ),
        ("sampan_open_format", {"name": "x", "options": {}}, Format),
        ("sampan_open_runtime", {"name": "x", "run_root": "ROOT", "options": {}}, Runtime),
        ("sampan_open_logs", {"name": "x", "options": {}}, LogDriver),
        ("sampan_open_volumes", {"name": "x", "root": "ROOT", "options": {"path": "/"}}, VolumeDriver),
    ],
)
def test_every_provider_example_opens_what_the_contract_says(hook, arguments, contract, tmp_path):
    manager, _ = fitted(example_of(hook))
    arguments = {key: str(tmp_path / "own") if value == "ROOT" else value for key, value in arguments.items()}
    assert isinstance(getattr(manager.hook, hook)(**arguments), contract)


def test_the_storage_example_keeps_layers_and_the_wrapper_times_them(tmp_path):
    manager, _ = fitted(example_of("sampan_open_storage"))
    wrapper = ModuleType("wrapper")
    exec(example_of("sampan_open_storage", 1), wrapper.__dict__)
    manager.register(wrapper)
    driver = manager.hook.sampan_open_storage(name="copies", root=str(tmp_path), options={})
    driver.prepare("one", None)
    Path(driver.mounts("one")[0].source, "file").write_text("content")
    driver.commit("one", "layer")
    driver.prepare("two", "layer")
    assert Path(driver.mounts("two")[0].source, "file").read_text() == "content"
    assert {(s.key, s.parent) for s in driver.walk()} == {("layer", None), ("two", "layer")}
    driver.remove("two")
    assert [s.key for s in driver.walk()] == ["layer"]
    assert driver.last_commit_took >= 0
