"""Export a container's filesystem as a tar archive."""

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
    """Open ``export``."""
    return export


@command("export")
@click.option("--output", "-o", metavar="string", help="Write to a file, instead of STDOUT")
@click.argument("container", metavar="CONTAINER")
@pass_context
def export(context: Context, container: str, output: str | None) -> None:
    """Export a container's filesystem as a tar archive."""
    if output:
        _to_file(context, container, output)
        return
    if os.isatty(1):
        raise InvalidInput("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    sys.stdout.flush()
    with open(1, "wb", closefd=False) as out:
        context.engine.export(container, out)


def _to_file(context: Context, container: str, output: str) -> None:
    """Write next to the file and put it in its place when it is whole; write to what is no regular file as it is."""
    context.engine.container(container)
    special = os.path.exists(output) and not os.path.isfile(output)
    draft = output if special else f"{output}.{os.getpid()}.partial"
    try:
        with open(draft, "wb") as out:
            context.engine.export(container, out)
        if not special:
            os.replace(draft, output)
    except OSError as error:
        _discard(draft, special)
        reason = (error.strerror or str(error)).lower()
        raise InvalidInput(f"failed to export container: {output}: {reason}") from error
    except BaseException:
        _discard(draft, special)
        raise


def _discard(draft: str, special: bool) -> None:
    if not special and os.path.exists(draft):
        os.unlink(draft)
