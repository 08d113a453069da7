"""Log out from a registry."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``logout``."""
    return logout


@command("logout")
@click.argument("server", metavar="[SERVER]", default="", required=False)
@pass_context
def logout(context: Context, server: str) -> None:
    """Log out from a registry.
    If no server is specified, Docker Hub is meant.
    """
    known = context.engine.account(server)
    if context.engine.logout(server):
        sys.stdout.write(f"Removing login credentials for {known.name}\n")
    else:
        sys.stdout.write(f"Not logged in to {known.name}\n")
