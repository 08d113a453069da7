"""Save one or more images to a tar archive (streamed to STDOUT by default)."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``save``."""
    return save


@command("save")
@click.option("--format-driver", metavar="string", default="", help="Image format to write")
@click.option("--output", "-o", metavar="string", help="Write to a file, instead of STDOUT")
@click.option("--platform", metavar="string", default="", help="Save images only for this platform")
@click.argument("images", metavar="IMAGE [IMAGE...]", nargs=-1, required=True)
@pass_context
def save(context: Context, images: tuple[str, ...], format_driver: str, output: str | None, platform: str) -> None:
    """Save one or more images to a tar archive (streamed to STDOUT by default)."""
    from sampan_plugins.commands import _output

    with _output.opened(output, "save image") as out:
        context.engine.save(images, out, format=format_driver, platform=platform)
