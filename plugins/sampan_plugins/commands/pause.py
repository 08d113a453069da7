"""Pause all processes within one or more containers."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``pause``."""
    return pause


@command("pause")
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def pause(context: Context, containers: tuple[str, ...]) -> int:
    """Pause all processes within one or more containers."""
    return int(bool(each(containers, context.engine.pause)))
