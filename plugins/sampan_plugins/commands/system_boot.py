"""Start the containers that should run once the machine is up."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``system boot``."""
    return boot


@command("boot")
@pass_context
def boot(context: Context) -> int:
    """Start the containers that should run once the machine is up.

    Those are the ones that have run before and whose restart policy is always, or is unless-stopped and nobody stopped
    them. Running ones are left alone. contrib/systemd has a unit that calls this.
    """
    names = [container.name for container in context.engine.due_after_boot()]

    def start(name: str) -> None:
        context.engine.start(name)

    return int(bool(each(names, start)))
