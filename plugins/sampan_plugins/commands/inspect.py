"""Return low-level information on containers and images."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput

_TYPES = ("container", "image", "network", "volume")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``inspect``."""
    return inspect


@command("inspect")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@click.option("--size", "-s", is_flag=True, help="Display total file sizes if the type is container")
@click.option("--type", "kind", metavar="string", default="", help="Only objects of this type (container, image …)")
@click.argument("names", metavar="NAME|ID [NAME|ID...]", nargs=-1, required=True)
@pass_context
def inspect(context: Context, form: str, size: bool, kind: str, names: tuple[str, ...]) -> int:
    """Return low-level information on containers and images."""
    from sampan_plugins.commands._inspection import show

    if kind and kind not in _TYPES:
        raise InvalidInput(f'unknown type: "{kind}": must be one of "container", "image", "network", "volume"')
    return show(context, names, form, kind, size=size)
