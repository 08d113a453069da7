"""Remove all stopped containers."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands import _pruning
from sampan_plugins.commands._flags import FILTER


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``container prune``."""
    return prune


@command("prune")
@click.option("--filter", "filters", type=FILTER, multiple=True, metavar="filter", help='Only some (e.g. "until=24h")')
@click.option("--force", "-f", is_flag=True, help="Do not prompt for confirmation")
@pass_context
def prune(context: Context, filters: tuple[tuple[str, str], ...], force: bool) -> None:
    """Remove all stopped containers."""
    chosen = _pruning.choice(filters)
    if not force and not _pruning.confirmed("This will remove all stopped containers."):
        return
    pruned = context.engine.prune_containers(**chosen)
    _pruning.tell_containers(pruned)
    _pruning.tell_total(pruned)
