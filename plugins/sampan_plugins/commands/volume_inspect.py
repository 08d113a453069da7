"""Display detailed information on one or more volumes."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``volume inspect``."""
    return volume_inspect


@command("inspect")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@click.argument("names", metavar="VOLUME [VOLUME...]", nargs=-1, required=True)
@pass_context
def volume_inspect(context: Context, form: str, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more volumes."""
    from sampan_plugins.commands._inspection import show

    return show(context, names, form, "volume")
