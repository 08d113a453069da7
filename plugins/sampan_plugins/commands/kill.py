"""Kill one or more running containers."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``kill``."""
    return kill


@command("kill")
@click.option("--signal", "-s", metavar="string", default="KILL", help="Signal to send to the container")
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def kill(context: Context, containers: tuple[str, ...], signal: str) -> int:
    """Kill one or more running containers."""
    return int(bool(each(containers, lambda name: context.engine.kill(name, signal))))
