"""Load images from a tar archive or STDIN."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.cli.progress import Progress
    from sampan.engine.load import Loaded
    from sampan.engine.progress import Event, Report


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``load``."""
    return load


@command("load")
@click.option("--format-driver", metavar="string", default="", help="Image format to read; any, unless named")
@click.option("--input", "-i", "file", metavar="string", help="Read from a file or directory, instead of STDIN")
@click.option("--platform", metavar="string", default="", help="Load images for this platform")
@click.option("--quiet", "-q", is_flag=True, help="Do not show the progress")
@pass_context
def load(context: Context, file: str | None, format_driver: str, platform: str, quiet: bool) -> None:
    """Load images from a tar archive or STDIN."""
    if not file and os.isatty(0):
        raise InvalidInput("requested load from stdin, but stdin is empty")
    with open(0, "rb", closefd=False) as stdin:
        source = file or stdin
        if quiet or not sys.stdout.isatty():
            loaded = context.engine.load(source, format=format_driver, platform=platform)
        else:
            from sampan.cli.progress import Progress

            with Progress(sys.stdout) as progress:
                loaded = context.engine.load(
                    source, format=format_driver, platform=platform, report=_reporter(progress)
                )
    _print(loaded)


def _reporter(progress: Progress) -> Report:
    """Return what shows a layer while it is unpacked, the longest part, and of what was here already nothing."""

    def report(event: Event) -> None:
        if event.action == "Extracting":
            progress.update(event.id, "Loading layer", event.current, event.total)

    return report


def _print(loaded: list[Loaded]) -> None:
    for one in loaded:
        for name in one.names:
            if name in one.displaced:
                sys.stdout.write(
                    f"The image {name.familiar} already exists, renaming the old one with ID {one.displaced[name]} "
                    "to empty string\n"
                )
            sys.stdout.write(f"Loaded image: {name.familiar}\n")
    if not any(one.names for one in loaded):
        sys.stdout.writelines(f"Loaded image ID: {one.image.id}\n" for one in loaded)
