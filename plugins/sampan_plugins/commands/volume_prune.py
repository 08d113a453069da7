"""Remove unused volumes."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
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
def volume_prune(context: Context, everything: bool, filters: tuple[tuple[str, str], ...], force: bool) -> int:
    """Remove unused volumes."""
    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        wanted.setdefault(name, []).append(value)
    if not force and not _confirmed(everything):
        return 0
    gone, freed = context.engine.prune_volumes(wanted, everything=everything)
    if gone:
        sys.stdout.write("Deleted Volumes:\n" + "\n".join(gone) + "\n\n")
    sys.stdout.write(f"Total reclaimed space: {units.human_size(freed, 4)}\n")
    return 0


def _confirmed(everything: bool) -> bool:
    kind = "all local" if everything else "anonymous local"
    sys.stdout.write(
        f"WARNING! This will remove {kind} volumes not used by at least one container.\n"
        "Are you sure you want to continue? [y/N] "
    )
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"
