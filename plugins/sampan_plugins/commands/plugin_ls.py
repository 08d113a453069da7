"""List plugins."""

from __future__ import annotations

import click

from sampan import hookimpl


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``plugin ls``."""
    from sampan.cli.command import command
    from sampan.cli.context import Context, pass_context

    @command(name)
    @pass_context
    def plugin_ls(context: Context) -> None:
        """List plugins."""
        for claim in context.plugins.claims:
            click.echo(claim.label)

    return plugin_ls
