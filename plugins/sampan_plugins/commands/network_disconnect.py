"""Disconnect a container from a network."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network disconnect``."""
    return network_disconnect


@command("disconnect")
@click.option("--force", "-f", is_flag=True, help="Force the container to disconnect from a network")
@click.argument("network", metavar="NETWORK")
@click.argument("container", metavar="CONTAINER")
@pass_context
def network_disconnect(context: Context, network: str, container: str, force: bool) -> None:
    """Disconnect a container from a network."""
    context.engine.disconnect(container, network, force=force)
