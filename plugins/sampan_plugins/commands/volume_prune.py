"""Remove unused volumes."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands import _pruning
from sampan_plugins.commands._flags import FILTER


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``volume prune``."""
    return volume_prune


@command("prune")
@click.option("--all", "-a", "everything", is_flag=True, help="Remove all unused volumes, not just anonymous ones")
@click.option("--filter", "filters", type=FILTER, multiple=True, metavar="filter", help='Only some ("label=KEY")')
@click.option("--force", "-f", is_flag=True, help="Do not prompt for confirmation")
@pass_context
def volume_prune(context: Context, everything: bool, filters: tuple[tuple[str, str], ...], force: bool) -> None:
    """Remove unused volumes."""
    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        wanted.setdefault(name, []).append(value)
    kind = "all local" if everything else "anonymous local"
    if not force and not _pruning.confirmed(f"This will remove {kind} volumes not used by at least one container."):
        return
    pruned = context.engine.prune_volumes(wanted, everything=everything)
    _pruning.tell_volumes(pruned)
    _pruning.tell_total(pruned)
