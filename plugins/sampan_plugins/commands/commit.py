"""Create a new image from a container's changes."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``commit``."""
    return commit


@command("commit")
@click.option("--author", "-a", metavar="string", default="", help='Author (such as "Jo <jo@example.com>")')
@click.option("--change", "-c", metavar="list", multiple=True, help="Apply a Dockerfile instruction to the image")
@click.option("--message", "-m", metavar="string", default="", help="Commit message")
@click.option("--pause", "-p", type=bool, default=True, help="Pause the container meanwhile (default true)")
@click.argument("container", metavar="CONTAINER")
@click.argument("reference", metavar="[REPOSITORY[:TAG]]", default="", required=False)
@pass_context
def commit(
    context: Context, container: str, reference: str, author: str, change: tuple[str, ...], message: str, pause: bool
) -> None:
    """Create a new image from a container's changes."""
    from sampan_plugins.commands._watching import watched

    with watched(sys.stderr) as report:
        image = context.engine.commit(
            container, reference, author=author, message=message, changes=change, pause=pause, report=report
        )
    sys.stdout.write(f"{image.id}\n")
