"""A third party's plugin takes a bundled one's place under its own name, in every slot, once a pin says so."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from tests.core.plugin.conftest import Site
from tests.integration.sampan import Sampan
from tests.services.registry import RegistryServer

from sampan.hookspecs import providers
from sampan.plugin import index
from sampan.plugin.slots import SLOTS

# It notes that it was asked, and has the bundled one answer.
_SOURCE = """
import {module} as bundled

from sampan import hookimpl


@hookimpl
def {hook}({arguments}):
    with open({trace!r}, "a") as file:
        file.write(name)
    return bundled.{hook}({arguments})
"""
_RUN = ("run", "--rm", "--net", "none", "bb:1", "true")
_USES = {
    "commands/version": ("version",),
    "registries/distribution": ("push", "-q", "REGISTRY/pins:1"),
    "storage/overlay2": _RUN,
    "network/none": _RUN,
    "formats/rootfs-tar": ("import", "ARCHIVE", "bb:2"),
    "runtimes/native": _RUN,
    "logs/json-file": _RUN,
    "volumes/local": ("volume", "create"),
}
"""For each slot a bundled plugin, and a command that uses it."""


def test_every_slot_is_among_them() -> None:
    assert {key.partition("/")[0] for key in _USES} == {slot.name for slot in SLOTS.values() if slot.hook}


@pytest.mark.parametrize("key", list(_USES))
def test_a_bundled_plugin_is_replaced_under_its_own_name(
    sampan: Sampan, rootfs_tar: Path, registry: RegistryServer, tmp_path: Path, key: str
) -> None:
    slot, _, name = key.partition("/")
    bundled = next(claim for claim in index.load() if (claim.slot, claim.name) == (slot, name))
    hook, trace = SLOTS[slot].hook, tmp_path / "trace"
    arguments = ", ".join(inspect.signature(getattr(providers, hook)).parameters)
    source = _SOURCE.format(module=bundled.module, hook=hook, arguments=arguments, trace=str(trace))
    (tmp_path / "site").mkdir()
    Site(tmp_path / "site", None).install("acme", {slot: {name: "acme_twin"}}, {"acme_twin": source})
    sampan.run("tag", "bb:1", f"{registry.address}/pins:1")
    use = [word.replace("REGISTRY", registry.address).replace("ARCHIVE", str(rootfs_tar)) for word in _USES[key]]
    sampan.environ |= {"PYTHONPATH": str(tmp_path / "site")}

    # Until then it is an error that names both, and only for what needs them.
    complaint = sampan.fails(*use, code=125 if use[0] == "run" else 1)
    assert f"{key} is claimed by acme 1.0 and sampan " in complaint
    assert f'[pins] "{key}" = "acme"' in complaint
    assert sampan.result("ps", "-q").returncode == 0
    assert not trace.exists()

    before = sampan.config.read_text()
    for distribution, asked in (("sampan", False), ("acme", True)):
        sampan.config.write_text(f'{before}[pins]\n"{key}" = "{distribution}"\n')
        sampan.run(*use)
        assert trace.exists() is asked
    assert set(trace.read_text().split(name)) == {""}
    sampan.config.write_text(before)
