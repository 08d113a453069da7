"""Remove one or more volumes."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import NotFound
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``volume rm``."""
    return volume_rm


@command("rm")
@click.option("--force", "-f", is_flag=True, help="Do not complain of volumes that do not exist")
@click.argument("volumes", metavar="VOLUME [VOLUME...]", nargs=-1, required=True)
@pass_context
def volume_rm(context: Context, volumes: tuple[str, ...], force: bool) -> int:
    """Remove one or more volumes."""

    def remove(name: str) -> None:
        try:
            context.engine.remove_volume(name)
        except NotFound:
            if not force:
                raise

    return int(bool(each(volumes, remove)))
