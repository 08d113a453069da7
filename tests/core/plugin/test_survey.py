"""The survey tells how every plugin stands, whatever the plugins do."""

import pytest

from sampan.config import Settings
from sampan.errors import InvalidInput
from sampan.plugin.manager import Plugins
from sampan.plugin.survey import survey


@pytest.fixture
def many(site, driver):
    modules = {
        "acme_good": driver, "acme_better": driver, "acme_asserts": "assert False, 'never'",
        "acme_exits": "raise SystemExit(3)", "acme_empty": "", "acme_listener": "", "acme_twin": driver,
    }
    storage = {"good": "acme_good", "better": "acme_better", "asserts": "acme_asserts", "exits": "acme_exits",
               "empty": "acme_empty", "twin": "acme_twin"}
    points = {"storage": storage, "extensions": {"on": "acme_listener", "off": "acme_exits"}}
    site.install("acme", points, modules)
    site.install("acme-twin", {"storage": {"twin": "acme_twin"}}, {})


def status(settings, slot="storage"):
    found = survey(Plugins(settings), slot)
    return {
        (f.claim.name, f.claim.distribution): (f.status, f.reason)
        for f in found if f.claim.distribution.startswith("acme")
    }


def test_each_plugin_has_its_status(many):
    found = status(Settings(storage=("exits", "better", "good"), disabled=("extensions/off",)))
    assert found[("better", "acme")] == ("selected", "")
    assert found[("good", "acme")] == ("available", "")
    assert found[("exits", "acme")] == ("broken", "cannot be imported: SystemExit: 3")
    assert found[("asserts", "acme")] == ("broken", "cannot be imported: AssertionError: never")
    assert found[("empty", "acme")] == ("broken", "it does not implement sampan_open_storage")
    for distribution in ("acme", "acme-twin"):
        kind, reason = found[("twin", distribution)]
        assert kind == "conflict"
        assert "acme 1.0 and acme-twin 1.0" in reason


def test_extensions_are_selected_unless_disabled(many):
    found = status(Settings(disabled=("extensions/off",)), "extensions")
    assert found == {("on", "acme"): ("selected", ""), ("off", "acme"): ("disabled", "")}


def test_a_pin_settles_a_conflict(many):
    found = status(Settings(storage=("twin",), pins={"storage/twin": "acme-twin"}))
    assert found[("twin", "acme-twin")] == ("selected", "")
    assert found[("twin", "acme")] == ("available", "storage/twin is pinned to acme-twin")


def test_a_slot_that_does_not_exist(many):
    with pytest.raises(InvalidInput, match="no plugin slot"):
        list(survey(Plugins(Settings()), "storages"))
