"""Inspect changes to files or directories on a container's filesystem."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``diff``."""
    return diff


@command("diff")
@click.argument("container", metavar="CONTAINER")
@pass_context
def diff(context: Context, container: str) -> None:
    """Inspect changes to files or directories on a container's filesystem."""
    found = context.engine.diff(container)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(b"%s %s\n" % (change.kind.encode(), change.path) for change in found))
