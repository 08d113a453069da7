"""Extensions wrap any driver and hear every event; what they break stays their own."""

import pytest

from sampan.config import Settings
from sampan.errors import Denied, PluginFault
from sampan.model.container import Container, ContainerSpec
from sampan.model.runtime_spec import Spec
from sampan.plugin.manager import Plugins

CONTAINER = Container(
    id="c" * 64, name="web", image_id="sha256:" + "0" * 64, spec=ContainerSpec(image="x"), path="/bin/sh",
    created=1.0, storage_driver="s", runtime="r", log_driver="l", network_driver="n",
)
WRAPPER = """
    from sampan import hookimpl

    @hookimpl(wrapper=True)
    def sampan_open_storage(name, root):
        driver = yield
        driver.origin = f"wrapped {driver.origin} {name} {root}"
        return driver
"""
LISTENER = """
    from sampan import hookimpl

    heard = []

    @hookimpl
    def sampan_image_pulled(reference, image): heard.append(("pulled", reference, image))
    @hookimpl
    def sampan_image_pushed(reference, image): heard.append(("pushed", reference, image))
    @hookimpl
    def sampan_image_imported(reference, image): heard.append(("imported", reference, image))
    @hookimpl
    def sampan_image_tagged(reference, image): heard.append(("tagged", reference, image))
    @hookimpl
    def sampan_image_untagged(reference, image): heard.append(("untagged", reference, image))
    @hookimpl
    def sampan_image_committed(container, reference, image): heard.append((container.name, reference, image))
    @hookimpl
    def sampan_image_saved(reference, image): heard.append(("saved", reference, image))
    @hookimpl
    def sampan_image_loaded(reference, image): heard.append(("loaded", reference, image))
    @hookimpl
    def sampan_image_removed(image): heard.append(("removed", image))
    @hookimpl
    def sampan_container_created(container): heard.append(("created", container.name))
    @hookimpl
    def sampan_container_started(container): heard.append(("started", container.name))
    @hookimpl
    def sampan_container_exited(container): heard.append(("exited", container.name))
    @hookimpl
    def sampan_container_removed(container): heard.append(("gone", container.name))
    @hookimpl
    def sampan_amend_spec(container, spec): spec.annotations[container.name] = "amended"
"""
EVENTS = [
    ("image_pulled", ("ref", "id"), ("pulled", "ref", "id")),
    ("image_pushed", ("ref", "id"), ("pushed", "ref", "id")),
    ("image_imported", ("ref", "id"), ("imported", "ref", "id")),
    ("image_tagged", ("ref", "id"), ("tagged", "ref", "id")),
    ("image_untagged", ("ref", "id"), ("untagged", "ref", "id")),
    ("image_committed", (CONTAINER, "ref", "id"), ("web", "ref", "id")),
    ("image_saved", ("ref", "id"), ("saved", "ref", "id")),
    ("image_loaded", ("", "id"), ("loaded", "", "id")),
    ("image_removed", ("id",), ("removed", "id")),
    ("container_created", (CONTAINER,), ("created", "web")),
    ("container_started", (CONTAINER,), ("started", "web")),
    ("container_exited", (CONTAINER,), ("exited", "web")),
    ("container_removed", (CONTAINER,), ("gone", "web")),
]


def test_a_wrapper_decorates_every_driver_opened(site, driver):
    modules = {"acme_a": driver, "acme_b": driver, "acme_wrapper": WRAPPER}
    points = {"storage": {"a": "acme_a", "b": "acme_b"}, "extensions": {"wrapper": "acme_wrapper"}}
    site.install("acme", points, modules)
    plugins = Plugins(Settings())
    assert plugins.open_storage("a", "/x").origin == "wrapped acme_a a /x"
    assert plugins.open_storage("b", "/y").origin == "wrapped acme_b b /y"


def test_a_wrapper_that_returns_something_else_is_refused(site, driver):
    source = WRAPPER.replace("return driver", "return None or 'nonsense'")
    points = {"storage": {"a": "acme_a"}, "extensions": {"wrapper": "acme_bad_wrapper"}}
    site.install("acme", points, {"acme_a": driver, "acme_bad_wrapper": source})
    with pytest.raises(PluginFault, match="returned str from sampan_open_storage"):
        Plugins(Settings()).open_storage("a", "/x")


@pytest.mark.parametrize(
    ("wrapper", "driver_code", "culprit"),
    [
        (WRAPPER.replace("return driver", "return 1 / 0"), None, "extensions/wrapper"),
        (WRAPPER.replace("driver = yield", "1 / 0; driver = yield"), None, "extensions/wrapper"),
        (WRAPPER, "from sampan import hookimpl\n@hookimpl\ndef sampan_open_storage(name): 1 / 0", "storage/a"),
    ],
)
def test_of_driver_and_wrapper_the_one_that_fails_is_named(site, driver, wrapper, driver_code, culprit):
    points = {"storage": {"a": "acme_a"}, "extensions": {"wrapper": "acme_wrapper"}}
    site.install("acme", points, {"acme_a": driver_code or driver, "acme_wrapper": wrapper})
    with pytest.raises(PluginFault, match=rf"plugin {culprit} \(acme 1\.0\) failed: ZeroDivisionError"):
        Plugins(Settings()).open_storage("a", "/x")


def test_a_module_may_be_driver_and_wrapper_at_once(site, driver):
    both = driver + """
    @hookimpl
    def sampan_container_started(container): heard.append(container.name)

    heard = []
    """
    points = {"storage": {"a": "acme_a", "b": "acme_both"}, "extensions": {"both": "acme_both"}}
    site.install("acme", points, {"acme_a": driver, "acme_both": both})
    plugins = Plugins(Settings())
    assert [plugins.open_storage(name, "/x").origin for name in "abab"] == ["acme_a", "acme_both"] * 2
    plugins.container_started(CONTAINER)
    import acme_both

    assert acme_both.heard == ["web"]


@pytest.mark.parametrize(("event", "arguments", "heard"), EVENTS)
def test_every_event_is_heard(site, event, arguments, heard):
    """sampan_image_pulled, sampan_image_pushed, sampan_image_imported, sampan_image_tagged, sampan_image_untagged,
    sampan_image_saved, sampan_image_loaded,
    sampan_image_removed, sampan_container_created,
    sampan_container_started, sampan_container_exited, sampan_container_removed."""
    site.install("acme", {"extensions": {"listener": "acme_listener"}}, {"acme_listener": LISTENER})
    getattr(Plugins(Settings()), event)(*arguments)
    import acme_listener

    assert acme_listener.heard == [heard]


def test_sampan_amend_spec_changes_the_spec_in_place(site):
    site.install("acme", {"extensions": {"listener": "acme_listener"}}, {"acme_listener": LISTENER})
    spec = Spec()
    Plugins(Settings()).amend_spec(CONTAINER, spec)
    assert spec.annotations == {"web": "amended"}


def failing(hook, arguments, what):
    return f"from sampan import hookimpl\nfrom sampan.errors import Denied\n@hookimpl\ndef {hook}({arguments}): {what}"


def test_a_listener_that_fails_is_a_warning_and_the_others_hear(site):
    modules = {
        "acme_listener": LISTENER,
        "acme_failing": failing("sampan_container_started", "container", "raise ValueError('oh')"),
        "acme_denying": failing("sampan_container_started", "container", "raise Denied('no')"),
    }
    names = {"a": "acme_failing", "b": "acme_listener", "c": "acme_denying"}
    site.install("acme", {"extensions": names}, modules)
    warnings = []
    Plugins(Settings(), warn=warnings.append).container_started(CONTAINER)
    import acme_listener

    assert acme_listener.heard == [("started", "web")]
    assert warnings == [
        "plugin extensions/a (acme 1.0) failed in sampan_container_started: ValueError: oh",
        "plugin extensions/c (acme 1.0) failed in sampan_container_started: Denied: no",
    ]


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("raise ValueError('oh')", PluginFault, r"plugin extensions/a \(acme 1\.0\) failed: ValueError: oh"),
        ("raise Denied('policy')", Denied, "policy"),
    ],
)
def test_a_failure_to_amend_stops_the_start(site, what, error, message):
    source = failing("sampan_amend_spec", "container, spec", what)
    site.install("acme", {"extensions": {"a": "acme_failing"}}, {"acme_failing": source})
    with pytest.raises(error, match=message):
        Plugins(Settings()).amend_spec(CONTAINER, Spec())


class TestBrokenExtension:
    @pytest.fixture(autouse=True)
    def broken(self, site, driver):
        modules = {"acme_broken": "raise RuntimeError('oh')", "acme_a": driver}
        site.install("acme", {"extensions": {"bad": "acme_broken"}, "storage": {"a": "acme_a"}}, modules)

    def test_is_one_warning_and_commands_go_on(self):
        plugins = Plugins(Settings())
        plugins.open_storage("a", "/x")
        plugins.container_started(CONTAINER)
        (warning,) = plugins.warnings
        assert warning.startswith("plugin extensions/bad (acme 1.0) cannot be imported: RuntimeError: oh")
        assert 'disabled = ["extensions/bad"]' in warning

    def test_starts_no_container(self):
        with pytest.raises(PluginFault, match=r"extensions/bad .* cannot be imported"):
            Plugins(Settings()).amend_spec(CONTAINER, Spec())

    def test_disabled_is_as_if_it_were_not_there(self):
        plugins = Plugins(Settings(disabled=("extensions/bad",)))
        plugins.amend_spec(CONTAINER, Spec())
        plugins.open_storage("a", "/x")
        assert plugins.warnings == []


def test_without_extensions_an_event_does_not_load_pluggy(driver):
    plugins = Plugins(Settings(), claims=())
    plugins.container_started(CONTAINER)
    plugins.amend_spec(CONTAINER, Spec())
    assert plugins._pluggy is None
