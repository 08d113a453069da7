"""Rename a container."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import SampanError
from sampan_plugins.commands._each import complain


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``rename``."""
    return rename


@command("rename")
@click.argument("container", metavar="CONTAINER")
@click.argument("name", metavar="NEW_NAME")
@pass_context
def rename(context: Context, container: str, name: str) -> None:
    """Rename a container."""
    try:
        context.engine.rename(container, name)
    except SampanError as error:
        complain(error)
        raise SampanError(f"failed to rename container named {container}") from error
