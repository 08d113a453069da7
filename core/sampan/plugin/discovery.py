"""Find every plugin installed, with the distribution it comes from, importing none.

stevedore says what there is in each slot. What it does not tell is taken from the metadata itself: the
distribution and version behind an entry point, and whether two of them claim one name (stevedore notices
neighbours only).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata

from stevedore.named import NamedExtensionManager

from sampan.plugin.index import Claim
from sampan.plugin.slots import SLOTS
from sampan.plugin.summary import summary_of


def discover() -> tuple[tuple[Claim, ...], tuple[str, ...]]:
    """Return every claim to a name in a slot, and the files they were read from.

    A distribution found twice on the path counts where it is found first, as for imports.
    """
    groups = {slot.group: slot.name for slot in SLOTS.values()}
    claims: list[Claim] = []
    files: list[str] = []
    for distribution in _distributions():
        points = [point for point in distribution.entry_points if point.group in groups]
        if not points:
            continue
        home = getattr(distribution, "_path", None)  # the only way to learn where metadata lies
        if home is not None:
            files.append(str(home / "entry_points.txt"))
        claims += [
            Claim(
                slot=groups[point.group],
                name=point.name,
                target=point.value,
                distribution=distribution.metadata["Name"],
                version=distribution.version,
                summary=summary_of(point.module),
            )
            for point in points
        ]
    known = {(slot, name) for slot in SLOTS for name in _listed(SLOTS[slot].group, claims)}
    return tuple(sorted(c for c in claims if (c.slot, c.name) in known)), tuple(files)


def _distributions() -> Iterator[metadata.Distribution]:
    seen = set()
    for distribution in metadata.distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-").replace(".", "-")
        if name and name not in seen:
            seen.add(name)
            yield distribution


def _listed(group: str, claims: Iterable[Claim]) -> list[str]:
    # stevedore's own cache on disk compares modification times as 32-bit floats, which tells moments two minutes
    # apart from each other and no closer: entry points of a package reinstalled in place would stay unseen. It is
    # handed what was read just now, for the index is the cache here.
    NamedExtensionManager.ENTRY_POINT_CACHE[group] = [
        metadata.EntryPoint(c.name, c.target, group) for c in claims if SLOTS[c.slot].group == group
    ]
    names: list[str] = NamedExtensionManager(group, names=[]).entry_points_names()
    return names
