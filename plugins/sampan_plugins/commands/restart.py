"""Restart one or more containers."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._each import each_at_once


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``restart``."""
    return restart


@command("restart")
@click.option("--signal", "-s", metavar="string", default="", help="Signal to send to the container")
@click.option("--timeout", "--time", "-t", type=int, help="Seconds to wait before killing the container, -1 for ever")
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def restart(context: Context, containers: tuple[str, ...], signal: str, timeout: int | None) -> int:
    """Restart one or more containers."""

    def again(name: str) -> None:
        context.engine.restart(name, timeout=timeout, signal=signal)

    return int(bool(each_at_once(context, containers, again)))
