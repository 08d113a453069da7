"""Plugins opens what is asked for and nothing else, and says what is wrong with what it cannot open."""

import sys
from concurrent.futures import ThreadPoolExecutor

import click
import pytest

from sampan.config import RegistryHost, Settings
from sampan.contracts.format import Format
from sampan.contracts.log import LogDriver
from sampan.contracts.network import NetworkDriver
from sampan.contracts.registry import Registry
from sampan.contracts.runtime import Runtime
from sampan.contracts.volume import VolumeDriver
from sampan.errors import InvalidInput, NotFound, PluginFault, Unsupported
from sampan.plugin.manager import Plugins

CONTRACTS = {
    "open_network": ("network", NetworkDriver, ("/root", "/run")),
    "open_registry": ("registries", Registry, ("host/repository", RegistryHost())),
    "open_format": ("formats", Format, ()),
    "open_runtime": ("runtimes", Runtime, ("/run",)),
    "open_logs": ("logs", LogDriver, ()),
    "open_volumes": ("volumes", VolumeDriver, ("/root",)),
}
HOOKS = {
    "open_network": "sampan_open_network",
    "open_registry": "sampan_open_registry",
    "open_format": "sampan_open_format",
    "open_runtime": "sampan_open_runtime",
    "open_logs": "sampan_open_logs",
    "open_volumes": "sampan_open_volumes",
}
ANSWERS = """
    from sampan import hookimpl
    from {module} import {contract}

    @hookimpl
    def {hook}(name):
        members = dict.fromkeys({contract}.__abstractmethods__, lambda self, *a, **k: None)
        return type("Mine", ({contract},), members)()
"""


def test_sampan_open_storage_gets_name_root_and_its_own_options(site, driver):
    site.install("acme", {"storage": {"copies": "acme_plugin"}}, {"acme_plugin": driver})
    settings = Settings(options={"storage/copies": {"depth": 3}, "storage/other": {"depth": 4}})
    opened = Plugins(settings).open_storage("copies", "/somewhere")
    assert (opened.origin, opened.root, opened.options) == ("acme_plugin", "/somewhere", {"depth": 3})


@pytest.mark.parametrize("method", list(CONTRACTS))
def test_every_slot_opens_through_its_hook(site, method):
    slot, contract, arguments = CONTRACTS[method]
    source = ANSWERS.format(module=contract.__module__, contract=contract.__name__, hook=HOOKS[method])
    site.install("acme", {slot: {"mine": f"acme_{slot}"}}, {f"acme_{slot}": source})
    assert isinstance(getattr(Plugins(Settings()), method)("mine", *arguments), contract)


def test_sampan_open_command_is_asked_with_the_dotted_name(site):
    source = """
        import click
        from sampan import hookimpl

        @hookimpl
        def sampan_open_command(name):
            return click.Command(name)
    """
    site.install("acme", {"commands": {"container.hello": "acme_hello"}}, {"acme_hello": source})
    command = Plugins(Settings()).open_command("container.hello")
    assert isinstance(command, click.Command)
    assert command.name == "container.hello"


def test_one_module_is_imported(site, driver):
    modules = {f"acme_{n}": driver for n in range(3)}
    site.install("acme", {"storage": {f"copies{n}": f"acme_{n}" for n in range(3)}}, modules)
    Plugins(Settings()).open_storage("copies1", "/x")
    assert {name for name in sys.modules if name.startswith("acme_")} == {"acme_1"}


def test_two_drivers_of_one_slot_do_not_answer_for_each_other(site, driver):
    modules = {"acme_a": driver, "acme_b": driver}
    site.install("acme", {"storage": {"a": "acme_a", "b": "acme_b"}}, modules)
    plugins = Plugins(Settings())
    origins = [plugins.open_storage(name, "/x").origin for name in ("a", "b", "a", "b")]
    assert origins == ["acme_a", "acme_b", "acme_a", "acme_b"]


def test_an_object_in_a_module_can_be_the_plugin(site, driver):
    source = driver + """
    class Plugin:
        @hookimpl
        def sampan_open_storage(self, name, root):
            return Driver("object", root, {})

    plugin = Plugin()
    """
    site.install("acme", {"storage": {"copies": "acme_object:plugin"}}, {"acme_object": source})
    assert Plugins(Settings()).open_storage("copies", "/x").origin == "object"


def test_a_name_that_does_not_exist_names_those_that_do(site, driver):
    site.install("acme", {"storage": {"copies": "acme_plugin"}}, {"acme_plugin": driver})
    with pytest.raises(NotFound, match='no storage driver named "copeis"') as caught:
        Plugins(Settings()).open_storage("copeis", "/x")
    assert 'did you mean "copies"?' in caught.value.hint
    assert "there are copies, " in caught.value.hint


def test_volume_drivers_whose_names_nobody_claims_are_opened_by_the_fallback(site):
    source = """
        from sampan import hookimpl
        from sampan.errors import NotFound

        @hookimpl
        def sampan_open_volumes(name, root, options):
            raise NotFound(f"{name} {root} {dict(options)}")
    """
    site.install("acme", {"volumes": {"any": "acme_any"}}, {"acme_any": source})
    settings = Settings(volume_fallback="any", options={"volumes/any": {"a": 1}})
    with pytest.raises(NotFound, match=r"^other /x \{'a': 1\}$"):
        Plugins(settings).open_volumes("other", "/x")
    for fallback in ("", "missing"):
        with pytest.raises(NotFound, match='no volume driver named "other"'):
            Plugins(Settings(volume_fallback=fallback)).open_volumes("other", "/x")


def test_a_slot_that_does_not_exist():
    with pytest.raises(InvalidInput, match="no plugin slot named 'storages'"):
        Plugins(Settings(), claims=()).names("storages")


@pytest.mark.parametrize("settings", [Settings(pins={"stroage/x": "d"}), Settings(options={"stroage/x": {}})])
def test_settings_for_a_slot_that_does_not_exist_are_refused(settings):
    with pytest.raises(InvalidInput, match="no plugin slot named 'stroage'"):
        Plugins(settings, claims=())


def test_several_threads_get_their_drivers(site, driver):
    modules = {f"acme_{n}": driver for n in range(8)}
    site.install("acme", {"storage": {f"copies{n}": f"acme_{n}" for n in range(8)}}, modules)
    plugins = Plugins(Settings())
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda n: plugins.open_storage(f"copies{n % 8}", "/x").origin, range(64)))
    assert opened == [f"acme_{n % 8}" for n in range(64)]


def test_an_empty_slot_says_so():
    with pytest.raises(NotFound, match="none is installed"):
        Plugins(Settings(), claims=()).open_logs("journal")


BROKEN = {
    "raises": ("raise RuntimeError('not today')", "cannot be imported: RuntimeError: not today"),
    "exits": ("raise SystemExit('bye')", "cannot be imported: SystemExit: bye"),
    "needs": ("import acme_nowhere", "cannot be imported: ModuleNotFoundError: No module named 'acme_nowhere'"),
    "syntax": ("def (:", "cannot be imported: SyntaxError"),
    "argument": (
        "from sampan import hookimpl\n@hookimpl\ndef sampan_open_storage(name, path): ...",
        "does not fit: PluginValidationError: .*path",
    ),
    "misspelt": (
        "from sampan import hookimpl\n@hookimpl\ndef sampan_opn_storage(name): ...",
        "does not fit: PluginValidationError: .*sampan_opn_storage",
    ),
    "none": ("x = 1", "does not answer sampan_open_storage"),
    "wrong": (
        "from sampan import hookimpl\n@hookimpl\ndef sampan_open_storage(name): return 42",
        "returned int from sampan_open_storage, which is no StorageDriver",
    ),
    "fails": (
        "from sampan import hookimpl\n@hookimpl\ndef sampan_open_storage(name): return 1 / 0",
        "failed: ZeroDivisionError: division by zero",
    ),
    "leaves": (
        "from sampan import hookimpl\n@hookimpl\ndef sampan_open_storage(name): raise SystemExit",
        "failed: SystemExit",
    ),
}


@pytest.mark.parametrize("kind", list(BROKEN))
def test_a_broken_plugin_is_named_with_its_distribution_and_harms_no_other(site, driver, kind):
    source, reason = BROKEN[kind]
    modules = {"acme_broken": source, "acme_good": driver}
    site.install("acme-broken", {"storage": {"bad": "acme_broken", "good": "acme_good"}}, modules)
    plugins = Plugins(Settings())
    for _ in range(2):
        with pytest.raises(PluginFault, match=r"plugin storage/bad \(acme-broken 1\.0\) " + reason):
            plugins.open_storage("bad", "/x")
    assert plugins.open_storage("good", "/x").origin == "acme_good"


def test_a_sampan_error_passes_through(site):
    source = """
        from sampan import hookimpl
        from sampan.errors import Unsupported

        @hookimpl
        def sampan_open_storage(name):
            raise Unsupported("no such file system", "load the module")
    """
    site.install("acme", {"storage": {"copies": "acme_plugin"}}, {"acme_plugin": source})
    with pytest.raises(Unsupported, match="load the module"):
        Plugins(Settings()).open_storage("copies", "/x")


def test_sampan_plugin_info_tells_of_the_plugin(site, driver):
    source = '"""Copy everything."""\n' + driver.replace("\n    ", "\n") + """
@hookimpl
def sampan_plugin_info(slot, name):
    from sampan.contracts.plugin import PluginInfo
    return PluginInfo(summary=f"{slot} {name}")
"""
    modules = {"acme_told": source, "acme_untold": '"""Copy all."""\n' + driver.replace("\n    ", "\n")}
    site.install("acme", {"storage": {"told": "acme_told", "untold": "acme_untold"}}, modules)
    plugins = Plugins(Settings())
    assert plugins.info("storage", "told").summary == "storage told"
    assert plugins.info("storage", "untold").summary == "Copy all"
    assert plugins.hooks("storage", "told") == ["sampan_open_storage", "sampan_plugin_info"]


class TestOneNameTwice:
    @pytest.fixture(autouse=True)
    def both(self, site, driver):
        modules = {"acme_one": driver, "acme_two": driver}
        site.install("acme-one", {"storage": {"copies": "acme_one"}}, modules)
        site.install("acme-two", {"storage": {"copies": "acme_two"}}, modules, version="2.5")

    def test_is_an_error_that_names_both_and_says_how_to_choose(self):
        with pytest.raises(PluginFault, match=r"storage/copies is claimed by acme-one 1\.0 and acme-two 2\.5") as e:
            Plugins(Settings()).open_storage("copies", "/x")
        assert '[pins] "storage/copies" = "acme-one"' in e.value.hint
        assert not {"acme_one", "acme_two"} & set(sys.modules)

    @pytest.mark.parametrize(("pin", "origin"), [("acme-two", "acme_two"), ("Acme_One", "acme_one")])
    def test_a_pin_chooses(self, pin, origin):
        settings = Settings(pins={"storage/copies": pin})
        assert Plugins(settings).open_storage("copies", "/x").origin == origin

    def test_a_pin_to_another_distribution_is_an_error(self):
        with pytest.raises(PluginFault, match="is pinned to acme-three, which does not have it") as caught:
            Plugins(Settings(pins={"storage/copies": "acme-three"})).open_storage("copies", "/x")
        assert caught.value.hint == "found in acme-one and acme-two"

    def test_nothing_else_is_harmed(self):
        assert "copies" in Plugins(Settings()).names("storage")
