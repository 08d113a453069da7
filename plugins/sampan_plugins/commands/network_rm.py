"""Remove one or more networks."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import NotFound
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network rm``."""
    return network_rm


@command("rm")
@click.option("--force", "-f", is_flag=True, help="Do not complain of networks that do not exist")
@click.argument("networks", metavar="NETWORK [NETWORK...]", nargs=-1, required=True)
@pass_context
def network_rm(context: Context, networks: tuple[str, ...], force: bool) -> int:
    """Remove one or more networks."""

    def remove(name: str) -> str | None:
        try:
            context.engine.remove_network(name)
        except NotFound:
            if not force:
                raise
            return ""
        return None

    return int(bool(each(networks, remove)))
