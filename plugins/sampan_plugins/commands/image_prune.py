"""Remove unused images."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.cli.flags import FALSE
from sampan_plugins.commands import _pruning
from sampan_plugins.commands._flags import FILTER


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``image prune``."""
    return prune


@command("prune")
@click.option("--all", "-a", "everything", is_flag=True, help="Remove all unused images, not just dangling ones")
@click.option("--filter", "filters", type=FILTER, multiple=True, metavar="filter", help='Only some (e.g. "until=24h")')
@click.option("--force", "-f", is_flag=True, help="Do not prompt for confirmation")
@pass_context
def prune(context: Context, everything: bool, filters: tuple[tuple[str, str], ...], force: bool) -> None:
    """Remove unused images."""
    chosen = _pruning.choice(filters, ["dangling"])
    everything = everything or any(name == "dangling" and value in FALSE for name, value in filters)
    which = "all images without at least one container associated to them" if everything else "all dangling images"
    if not force and not _pruning.confirmed(f"This will remove {which}."):
        return
    pruned = context.engine.prune_images(all=everything, **chosen)
    _pruning.tell_images(pruned)
    _pruning.tell_total(pruned)
