"""Create a new container."""

from __future__ import annotations

from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._flags import creation_flags


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``create``."""
    return create


@command("create", interspersed=False)
@creation_flags
@click.argument("image", metavar="IMAGE")
@click.argument("words", metavar="[COMMAND] [ARG...]", nargs=-1, required=False)
@pass_context
def create(context: Context, /, image: str, words: tuple[str, ...], **flags: Any) -> None:
    """Create a new container."""
    from sampan_plugins.commands import _creation

    click.echo(_creation.create(context, image, words, flags, _creation.attached(flags)).id)
