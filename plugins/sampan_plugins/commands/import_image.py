"""Import the contents from a tarball to create a filesystem image."""

from __future__ import annotations

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
@click.argument("source", metavar="file|URL|-")
@click.argument("reference", metavar="[REPOSITORY[:TAG]]", default="", required=False)
@pass_context
def import_image(
    context: Context, source: str, reference: str, change: tuple[str, ...], message: str, platform: str
) -> None:
    """Import the contents from a tarball to create a filesystem image."""
    if source == "-":
        with open(0, "rb", closefd=False) as stream:
            _import(context, stream, reference, change, message, platform)
        return
    if source.startswith(("http://", "https://")):
        _from_web(context, source, reference, change, message, platform)
        return
    try:
        stream = open(source, "rb")  # noqa: SIM115  # closed just below
    except OSError as error:
        raise InvalidInput(f"open {source}: {(error.strerror or '').lower()}") from error
    with stream:
        _import(context, stream, reference, change, message, platform)


def _from_web(
    context: Context, url: str, reference: str, change: tuple[str, ...], message: str, platform: str
) -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url) as stream:
            _import(context, stream, reference, change, message or f"Imported from {url}", platform)
    except (URLError, ValueError) as error:
        from sampan.errors import Unavailable

        raise Unavailable(f"error downloading {url}: {getattr(error, 'reason', error)}") from error


def _import(
    context: Context, stream: BinaryIO, reference: str, change: tuple[str, ...], message: str, platform: str
) -> None:
    image = context.engine.import_image(
        stream, reference, changes=change, message=message or "Imported from -", platform=platform
    )
    sys.stdout.write(f"{image.id}\n")
