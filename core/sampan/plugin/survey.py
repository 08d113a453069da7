"""Try every plugin there is, and tell which are selected, available, disabled, in conflict or broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from sampan.config import Settings
from sampan.errors import PluginFault
from sampan.plugin import slots
from sampan.plugin.index import Claim
from sampan.plugin.manager import Plugins

Status = Literal["selected", "available", "disabled", "conflict", "broken"]


class Finding(msgspec.Struct, frozen=True):
    """One claim and how it stands; ``reason`` says why when it cannot be used."""

    claim: Claim
    status: Status
    reason: str = ""


def survey(plugins: Plugins, slot: str = "") -> Iterator[Finding]:
    """Yield a finding for every claim of every slot, or of one, in order.

    *Selected* is what the settings name; of several storage drivers, the first that is not broken. Each plugin's
    module is imported and its hooks checked, whatever that raises; no driver is opened.
    """
    storage_taken = False
    for claim in _in_preference(plugins, slot):
        finding = _examine(plugins, claim)
        if finding.status == "selected" and claim.slot == "storage":
            if storage_taken:
                finding = Finding(claim, "available")
            storage_taken = True
        yield finding


def _in_preference(plugins: Plugins, slot: str) -> list[Claim]:
    preferred = plugins.settings.storage

    def rank(claim: Claim) -> tuple[int, int, Claim]:
        known = claim.slot == "storage" and claim.name in preferred
        return list(slots.SLOTS).index(claim.slot), preferred.index(claim.name) if known else len(preferred), claim

    if slot:
        slots.get(slot)
    return sorted((c for c in plugins.claims if slot in ("", c.slot)), key=rank)


def _examine(plugins: Plugins, claim: Claim) -> Finding:
    if claim.slot == "extensions" and f"extensions/{claim.name}" in plugins.settings.disabled:
        return Finding(claim, "disabled")
    try:
        chosen = plugins.find(claim.slot, claim.name)
    except PluginFault as fault:
        return Finding(claim, "conflict", str(fault))
    if chosen != claim:
        return Finding(claim, "available", f"{claim.slot}/{claim.name} is pinned to {chosen.distribution}")
    hook = slots.get(claim.slot).hook
    try:
        hooks = plugins.hooks(claim.slot, claim.name)
    except PluginFault as fault:
        return Finding(claim, "broken", fault.message.removeprefix(f"plugin {claim.label} "))
    if hook and hook not in hooks:
        return Finding(claim, "broken", f"it does not implement {hook}")
    return Finding(claim, "selected" if _selected(plugins.settings, claim) else "available")


def _selected(settings: Settings, claim: Claim) -> bool:
    chosen: dict[str, tuple[str, ...]] = {
        "storage": settings.storage,
        "network": (settings.network,),
        "registries": (settings.registry,),
        "formats": (settings.rootfs_format, settings.image_format),
        "runtimes": (settings.runtime,),
        "logs": (settings.log_driver,),
        "volumes": (settings.volume_driver,),
    }
    return claim.slot not in chosen or claim.name in chosen[claim.slot]
