"""Remove one or more images."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import NotFound
from sampan_plugins.commands._each import each


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``rmi``."""
    return rmi


@command("rmi")
@click.option("--force", "-f", is_flag=True, help="Force removal of the image")
@click.option("--no-prune", is_flag=True, help="Do not delete untagged parents")
@click.option("--platform", "platforms", multiple=True, metavar="strings", help="Remove only what is for this platform")
@click.argument("images", metavar="IMAGE [IMAGE...]", nargs=-1, required=True)
@pass_context
def rmi(context: Context, images: tuple[str, ...], force: bool, no_prune: bool, platforms: tuple[str, ...]) -> int:
    """Remove one or more images."""
    missing = []
    wanted = [one for text in platforms for one in text.split(",")]

    def remove(name: str) -> str:
        try:
            return "\n".join(
                context.engine.remove_image(name, force=force, prune=not no_prune, platforms=wanted)
            )
        except NotFound:
            missing.append(name)
            raise

    failed = each(images, remove)
    return int(bool(set(failed) - set(missing) if force else failed))
