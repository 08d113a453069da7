"""Whatever is wrong with a plugin of whatever slot, one line names it, and what does not use it works."""

import sys
import time

import pytest
from tests.core.plugin.test_manager import ANSWERS, CONTRACTS, HOOKS

from sampan.config import Settings
from sampan.contracts.storage import StorageDriver
from sampan.errors import PluginFault
from sampan.model.runtime_spec import Spec
from sampan.plugin.manager import Plugins
from sampan.plugin.survey import survey

from tests.core.plugin.test_extensions import CONTAINER  # isort: skip

OPENING = {
    **{slot: (method, arguments) for method, (slot, _, arguments) in CONTRACTS.items()},
    "storage": ("open_storage", ("/root",)), "commands": ("open_command", ()),
}  # fmt: skip
HOOK = {
    **{CONTRACTS[method][0]: hook for method, hook in HOOKS.items()},
    "storage": "sampan_open_storage", "commands": "sampan_open_command",
}  # fmt: skip
CLASSES = {
    "import": ("raise RuntimeError('not today')", r"cannot be imported: RuntimeError: not today"),
    "hang": ("import time\ntime.sleep(60)", r"cannot be imported: it was not done after 0\.1 seconds"),
    "registration": ("@hookimpl\ndef {hook}(name, colour): ...", r"does not fit: PluginValidationError: .*colour"),
    "call": ("@hookimpl\ndef {hook}(name): return 1 / 0", r"failed: ZeroDivisionError: division by zero"),
    "type": ("@hookimpl\ndef {hook}(name): return 42", r"returned int from {hook}, which is no \w+"),
}


def good(slot):
    if slot == "commands":
        hook = "@hookimpl\ndef sampan_open_command(name): return click.Command(name)"
        return f"import click\nfrom sampan import hookimpl\n{hook}"
    contract = next((one for name, one, _ in CONTRACTS.values() if name == slot), StorageDriver)
    return ANSWERS.format(module=contract.__module__, contract=contract.__name__, hook=HOOK[slot])


@pytest.mark.parametrize("slot", list(OPENING))
@pytest.mark.parametrize("kind", list(CLASSES))
def test_a_fault_of_any_class_in_any_slot_is_one_line_and_its_own(site, slot, kind):
    source, reason = (part.replace("{hook}", HOOK[slot]) for part in CLASSES[kind])
    modules = {f"acme_bad_{slot}": f"from sampan import hookimpl\n{source}", f"acme_good_{slot}": good(slot)}
    site.install("acme-broken", {slot: {"bad": f"acme_bad_{slot}", "good": f"acme_good_{slot}"}}, modules)
    plugins = Plugins(Settings(plugin_timeout=0.1))
    method, arguments = OPENING[slot]
    assert {"bad", "good"} <= set(plugins.names(slot))
    assert f"acme_bad_{slot}" not in sys.modules
    assert getattr(plugins, method)("good", *arguments) is not None
    with pytest.raises(PluginFault, match=rf"^plugin {slot}/bad \(acme-broken 1\.0\) {reason}") as caught:
        getattr(plugins, method)("bad", *arguments)
    assert "\n" not in str(caught.value)
    assert getattr(plugins, method)("good", *arguments) is not None


@pytest.mark.parametrize("kind", ["import", "hang", "registration"])
def test_a_broken_extension_is_a_warning_and_starts_no_container(site, kind):
    source, reason = (part.replace("{hook}", "sampan_container_started") for part in CLASSES[kind])
    modules = {"acme_bad": f"from sampan import hookimpl\n{source}", "acme_good": good("logs")}
    site.install("acme-broken", {"extensions": {"bad": "acme_bad"}, "logs": {"good": "acme_good"}}, modules)
    warnings = []
    plugins = Plugins(Settings(plugin_timeout=0.1), warn=warnings.append)
    assert plugins.open_logs("good") is not None
    with pytest.raises(PluginFault, match=rf"^plugin extensions/bad \(acme-broken 1\.0\) {reason}"):
        plugins.amend_spec(CONTAINER, Spec())
    assert len(warnings) == 1


def test_the_survey_tells_of_one_that_hangs_and_goes_on(site):
    modules = {"acme_bad": "while True: pass", "acme_good": good("logs")}
    site.install("acme", {"logs": {"bad": "acme_bad", "good": "acme_good"}}, modules)
    found = {f.claim.name: f.status for f in survey(Plugins(Settings(plugin_timeout=0.1)), "logs")}
    assert (found["bad"], found["good"]) == ("broken", "available")


def test_the_deadline_leaves_no_alarm_behind(site):
    import signal

    site.install("acme", {"logs": {"good": "acme_good"}}, {"acme_good": good("logs")})
    before = signal.getsignal(signal.SIGALRM)
    Plugins(Settings(plugin_timeout=0.2)).open_logs("good")
    assert signal.getsignal(signal.SIGALRM) is before
    time.sleep(0.3)


RAISES = """
    from acme.deep import driver_of

    from sampan import hookimpl

    @hookimpl
    def sampan_open_logs(name):
        return driver_of()
"""
DEEP = """
    from sampan.contracts.log import LogDriver

    class Mine(LogDriver):
        def open(self, *a, **k): return {}["oh"]
        def read(self, *a, **k): raise OSError(5, "gone wrong")

    def driver_of(): return Mine()
"""


def test_what_a_driver_raises_is_the_fault_of_its_plugin(site):
    modules = {"acme.plugin": RAISES, "acme.deep": DEEP, "acme.__init__": "", "beta": good("logs")}
    site.install("acme", {"logs": {"mine": "acme.plugin", "other": "beta"}}, modules)
    plugins = Plugins(Settings())
    plugins.open_logs("other")
    driver = plugins.open_logs("mine")
    for call, reason in ((driver.open, "KeyError: 'oh'"), (driver.read, r"OSError: \[Errno 5\] gone wrong")):
        named = rf"^plugin logs/mine \(acme 1\.0\) failed: {reason}$"
        with pytest.raises(PluginFault, match=named), plugins.answering():
            call("where", {})
    with pytest.raises(KeyError), plugins.answering():
        {}["ours"]


CONFIGURED = """
    from sampan import hookimpl
    from sampan.errors import InvalidInput

    heard = []

    @hookimpl
    def sampan_configure(options):
        if "odd" in options:
            raise InvalidInput("unknown option odd")
        heard.append(dict(options))
"""


def test_sampan_configure_gets_the_extensions_own_options(site):
    site.install("acme", {"extensions": {"a": "acme_a", "b": "acme_b"}}, {"acme_a": CONFIGURED, "acme_b": CONFIGURED})
    plugins = Plugins(Settings(options={"extensions/a": {"depth": 1}}))
    plugins.amend_spec(CONTAINER, Spec())
    plugins.container_started(CONTAINER)
    import acme_a
    import acme_b

    assert (acme_a.heard, acme_b.heard) == ([{"depth": 1}], [{}])


@pytest.mark.parametrize(("source", "reason"), [
    (CONFIGURED, "cannot be configured: unknown option odd"), ("x = 1", "takes no options"),
])  # fmt: skip
def test_an_extension_that_does_not_take_its_options_is_not_used(site, source, reason):
    site.install("acme", {"extensions": {"a": "acme_a"}}, {"acme_a": source})
    plugins = Plugins(Settings(options={"extensions/a": {"odd": 1}}))
    with pytest.raises(PluginFault, match=rf"plugin extensions/a \(acme 1\.0\) {reason}"):
        plugins.amend_spec(CONTAINER, Spec())
