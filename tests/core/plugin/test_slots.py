"""Every slot's hook is specified and its contract exists."""

from importlib import import_module

import pytest

from sampan.hookspecs import providers
from sampan.plugin import slots


@pytest.mark.parametrize("slot", [slot for slot in slots.SLOTS.values() if slot.hook], ids=lambda slot: slot.name)
def test_hook_and_contract_exist(slot):
    module, _, contract = slot.contract.partition(":")
    assert hasattr(providers, slot.hook)
    assert isinstance(getattr(import_module(module), contract), type)
    assert slot.group == f"sampan.{slot.name}"
