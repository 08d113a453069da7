"""Import the contents from a tarball to create a filesystem image."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``import``."""
    return import_image


@command("import")
@click.option("--change", "-c", metavar="list", multiple=True, help="Apply a Dockerfile instruction to the image")
@click.option("--message", "-m", metavar="string", default="", help="Commit message of the image")
@click.option("--platform", metavar="string", default="", help="Platform of the image")
@click.argument("source", metavar="file|directory|URL|-")
@click.argument("reference", metavar="[REPOSITORY[:TAG]]", default="", required=False)
@pass_context
def import_image(
    context: Context, source: str, reference: str, change: tuple[str, ...], message: str, platform: str
) -> None:
    """Import the contents from a tarball to create a filesystem image."""

    def take(content: BinaryIO | str) -> None:
        _import(context, content, reference, change, message, platform)

    if source == "-":
        with open(0, "rb", closefd=False) as stream:
            take(stream)
    elif source.startswith(("http://", "https://")):
        from sampan_plugins.commands import _web

        message = message or f"Imported from {source}"
        with _web.opened(source) as download:
            sys.stdout.write(f"Downloading from {source}\n")
            take(download)
    elif os.path.isdir(source):
        take(source)
    else:
        with _opened(source) as file:
            take(file)


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise InvalidInput(f"open {path}: {(error.strerror or '').lower()}") from error


def _import(
    context: Context, source: BinaryIO | str, reference: str, change: tuple[str, ...], message: str, platform: str
) -> None:
    from sampan_plugins.commands._watching import watched

    with watched(sys.stderr) as report:
        image = context.engine.import_image(
            source, reference, changes=change, message=message or "Imported from -", platform=platform, report=report
        )
    sys.stdout.write(f"{image.id}\n")
