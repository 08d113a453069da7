"""Display detailed information on one or more containers."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``container inspect``."""
    return container_inspect


@command("inspect")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@click.option("--size", "-s", is_flag=True, help="Display total file sizes")
@click.argument("names", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def container_inspect(context: Context, form: str, size: bool, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more containers."""
    from sampan_plugins.commands._inspection import show

    return show(context, names, form, "container", size=size)
