"""Copy files/folders between a container and the local filesystem."""

from __future__ import annotations

import os
import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``cp``."""
    return cp


@command("cp")
@click.option("--archive", "-a", is_flag=True, help="Accepted for compatibility: owners are kept where Docker does")
@click.option("--follow-link", "-L", "follow", is_flag=True, help="Copy what a symbolic link at SRC_PATH leads to")
@click.option("--quiet", "-q", is_flag=True, help="Do not tell on a terminal how much was copied")
@click.argument("source", metavar="CONTAINER:SRC_PATH|SRC_PATH|-")
@click.argument("target", metavar="CONTAINER:DEST_PATH|DEST_PATH|-")
@pass_context
def cp(context: Context, source: str, target: str, archive: bool, follow: bool, quiet: bool) -> None:
    """Copy files/folders between a container and the local filesystem.

    A hyphen is a tar archive: on standard input, of what is to be copied to a directory of a container; on standard
    output, of what is copied from one.
    """
    if not source or not target:
        raise InvalidInput(f"{'destination' if source else 'source'} can not be empty")
    (giver, given), (taker, taken) = _split(source), _split(target)
    if giver and taker:
        raise InvalidInput("copying between containers is not supported")
    if not giver and not taker:
        raise InvalidInput("must specify at least one container source")
    if not (given and taken):
        raise InvalidInput("bad parameter: path cannot be empty")
    if giver:
        out = sys.stdout.buffer if taken == "-" else taken
        count = context.engine.copy_out(giver, given, out, follow=follow)
    else:
        count = context.engine.copy_in(taker, taken, sys.stdin.buffer if given == "-" else given, follow=follow)
    if not quiet and "-" not in (given, taken) and sys.stderr.isatty():
        from sampan.cli.units import human_size

        sys.stderr.write(f"Successfully copied {human_size(count)} to {target}\n")


def _split(text: str) -> tuple[str, str]:
    """Return the container, empty for a path of the caller's, and the path."""
    container, colon, path = text.partition(":")
    if os.path.isabs(text) or not colon or container.startswith("."):
        return "", text
    return container, path
