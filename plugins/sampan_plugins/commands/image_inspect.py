"""Display detailed information on one or more images."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``image inspect``."""
    return image_inspect


@command("inspect")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@click.option("--platform", metavar="string", default="", help="Only if it is for this platform")
@click.argument("names", metavar="IMAGE [IMAGE...]", nargs=-1, required=True)
@pass_context
def image_inspect(context: Context, form: str, platform: str, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more images."""
    from sampan_plugins.commands._inspection import show

    return show(context, names, form, "image", platform=platform)
