"""Ask before pruning, choose what goes by ``--filter``, and tell what went."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sampan.cli import units
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.engine.prune import Pruned


def choice(filters: Iterable[tuple[str, str]], more: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the engine's prunes take for ``until``, ``label`` and ``label!``, passing over those in ``more``.

    Raises InvalidInput on any other, and on a time that is none.
    """
    found: dict[str, Any] = {"until": None, "labels": [], "without": []}
    for name, value in filters:
        if name == "until":
            if found["until"] is not None:
                raise InvalidInput("more than one until filter specified")
            found["until"] = moment(value)
        elif name in ("label", "label!"):
            found["labels" if name == "label" else "without"].append(value)
        elif name not in more:
            raise InvalidInput(f"Invalid filter '{name}'")
    return found


def moment(text: str) -> float:
    """Return a time, or the time a duration ago, in seconds since the epoch. Raises InvalidInput in Docker's words."""
    try:
        return units.parse_moment(text) / 1e9
    except InvalidInput as error:
        raise InvalidInput(f'failed to parse value as time or duration: "{text}"', error.hint) from error


def confirmed(warning: str) -> bool:
    """Warn, and ask whether to go on; only a ``y`` is a yes."""
    sys.stdout.write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"


def tell_containers(pruned: Pruned) -> None:
    """Print which containers went."""
    if pruned.gone:
        sys.stdout.write("Deleted Containers:\n" + "\n".join(pruned.gone) + "\n\n")


def tell_networks(gone: Sequence[str]) -> None:
    """Print which networks went."""
    if gone:
        sys.stdout.write("Deleted Networks:\n" + "\n".join(gone) + "\n\n")


def tell_volumes(pruned: Pruned) -> None:
    """Print which volumes went."""
    if pruned.gone:
        sys.stdout.write("Deleted Volumes:\n" + "\n".join(pruned.gone) + "\n\n")


def tell_images(pruned: Pruned) -> None:
    """Print which images went, and which names."""
    if pruned.gone:
        lines = (line[0].lower() + line[1:] for line in pruned.gone)
        sys.stdout.write("Deleted Images:\n" + "\n".join(lines) + "\n\n")


def tell_total(*prunes: Pruned) -> None:
    """Print how much space that came to."""
    total = sum(pruned.freed for pruned in prunes)
    sys.stdout.write(f"Total reclaimed space: {units.human_size(total, 4)}\n")
