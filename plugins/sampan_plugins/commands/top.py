"""Display the running processes of a container."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context

_WIDTH = 20


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``top``."""
    return top


@command("top", interspersed=False)
@click.argument("container", metavar="CONTAINER")
@click.argument("options", metavar="[ps OPTIONS]", nargs=-1, required=False)
@pass_context
def top(context: Context, container: str, options: tuple[str, ...]) -> None:
    """Display the running processes of a container."""
    from sampan.cli.table import align

    titles, rows = context.engine.top(container, options)
    lines = align(["\t".join(cells) for cells in (titles, *rows)], narrowest=_WIDTH)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
