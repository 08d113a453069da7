"""Display detailed information on one or more networks."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network inspect``."""
    return network_inspect


@command("inspect")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@click.option("--verbose", "-v", is_flag=True, help="Verbose output for diagnostics: there is no more to tell")
@click.argument("names", metavar="NETWORK [NETWORK...]", nargs=-1, required=True)
@pass_context
def network_inspect(context: Context, form: str, verbose: bool, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more networks."""
    from sampan_plugins.commands._inspection import show

    return show(context, names, form, "network")
