"""Remove all stopped containers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import Status
from sampan_plugins.commands._container_filters import label_fits
from sampan_plugins.commands._flags import FILTER

if TYPE_CHECKING:
    from sampan.model.container import Container

_PRUNABLE = (Status.CREATED, Status.EXITED, Status.DEAD)


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``container prune``."""
    return prune


@command("prune")
@click.option("--filter", "filters", type=FILTER, multiple=True, metavar="filter", help='Only some (e.g. "until=24h")')
@click.option("--force", "-f", is_flag=True, help="Do not prompt for confirmation")
@pass_context
def prune(context: Context, filters: tuple[tuple[str, str], ...], force: bool) -> int:
    """Remove all stopped containers."""
    for name, _ in filters:
        if name not in ("until", "label", "label!"):
            raise InvalidInput(f"Invalid filter '{name}'")
    if not force and not _confirmed():
        return 0
    gone = []
    for container in context.engine.containers(all=True):
        if container.status in _PRUNABLE and _fits(container, filters):
            try:
                context.engine.remove(container.id)
            except (Conflict, NotFound):
                continue  # someone started or removed it meanwhile
            gone.append(container.id)
    if gone:
        sys.stdout.write("Deleted Containers:\n" + "\n".join(gone) + "\n\n")
    sys.stdout.write("Total reclaimed space: 0B\n")
    return 0


def _confirmed() -> bool:
    sys.stdout.write(
        "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    )
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"


def _fits(container: Container, filters: tuple[tuple[str, str], ...]) -> bool:
    untils = [units.parse_moment(value) / 1e9 for name, value in filters if name == "until"]
    labels = container.spec.labels
    return (
        all(container.created < until for until in untils)
        and all(label_fits(labels, value) for name, value in filters if name == "label")
        and not any(label_fits(labels, value) for name, value in filters if name == "label!")
    )
