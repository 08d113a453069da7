"""Block until one or more containers stop, then print their exit codes."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``wait``."""
    return wait


@command("wait")
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def wait(context: Context, containers: tuple[str, ...]) -> int:
    """Block until one or more containers stop, then print their exit codes."""
    return int(bool(each(containers, context.engine.wait)))
