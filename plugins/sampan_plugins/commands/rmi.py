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
@click.option("--force", "-f", is_flag=True, help="Remove an image that stopped containers use or several names name")
@click.option("--no-prune", is_flag=True, help="Accepted for compatibility: there are no untagged parents to keep")
@click.argument("images", metavar="IMAGE [IMAGE...]", nargs=-1, required=True)
@pass_context
def rmi(context: Context, images: tuple[str, ...], force: bool, no_prune: bool) -> int:
    """Remove one or more images."""
    missing = []

    def remove(name: str) -> str:
        try:
            return "\n".join(context.engine.remove_image(name, force=force))
        except NotFound:
            missing.append(name)
            raise

    failed = each(images, remove)
    return int(bool(set(failed) - set(missing) if force else failed))
