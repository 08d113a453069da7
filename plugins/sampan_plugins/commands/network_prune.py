"""Remove all unused networks."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands import _pruning
from sampan_plugins.commands._flags import FILTER


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network prune``."""
    return network_prune


@command("prune")
@click.option("--filter", "filters", type=FILTER, multiple=True, metavar="filter", help='Only some ("until=1h")')
@click.option("--force", "-f", is_flag=True, help="Do not prompt for confirmation")
@pass_context
def network_prune(context: Context, filters: tuple[tuple[str, str], ...], force: bool) -> None:
    """Remove all unused networks."""
    chosen = _pruning.choice(filters)
    if force or _pruning.confirmed("This will remove all custom networks not used by at least one container."):
        _pruning.tell_networks(context.engine.prune_networks(**chosen))
