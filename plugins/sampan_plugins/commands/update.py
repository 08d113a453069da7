"""Update configuration of one or more containers."""

from __future__ import annotations

from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput
from sampan_plugins.commands._each import each
from sampan_plugins.commands._flags import update_flags


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``update``."""
    return update


@command("update")
@update_flags
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def update(context: Context, /, containers: tuple[str, ...], **flags: Any) -> int:
    """Update configuration of one or more containers."""
    from sampan_plugins.commands._spec import limits, restart_policy

    if not any(flags.values()):
        raise InvalidInput("you must provide one or more flags when using this command")
    restart = restart_policy(flags["restart"]) if flags["restart"] else None
    wanted = limits(flags)

    def change(name: str) -> None:
        context.engine.update(name, wanted, restart=restart)

    return int(bool(each(containers, change)))
