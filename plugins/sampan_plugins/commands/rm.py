"""Remove one or more containers."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import Conflict, NotFound
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``rm``."""
    return rm


@command("rm")
@click.option("--force", "-f", is_flag=True, help="Kill a running container first")
@click.option("--link", "-l", is_flag=True, hidden=True)
@click.option("--volumes", "-v", is_flag=True, help="Remove the container's anonymous volumes too")
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def rm(context: Context, containers: tuple[str, ...], force: bool, link: bool, volumes: bool) -> int:
    """Remove one or more containers."""
    missing = []

    def remove(name: str) -> None:
        if link:
            context.engine.container(name)
            raise Conflict("Conflict, cannot remove the default link name of the container")
        try:
            context.engine.remove(name.strip("/"), force=force, volumes=volumes)
        except NotFound:
            missing.append(name)
            raise

    failed = each(containers, remove)
    return int(bool(set(failed) - set(missing) if force else failed))
