"""Create a volume."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._environment import pairs
from sampan_plugins.commands._flags import LABEL


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``volume create``."""
    return volume_create


@command("create")
@click.option("--driver", "-d", metavar="string", default="", help="Volume driver")
@click.option("--label", type=LABEL, metavar="list", multiple=True, help="Set a label")
@click.option("--opt", "-o", metavar="map", multiple=True, help="Option of the driver (KEY=VALUE)")
@click.argument("volume", metavar="[VOLUME]", default="", required=False)
@pass_context
def volume_create(
    context: Context, volume: str, driver: str, label: tuple[str, ...], opt: tuple[str, ...]
) -> None:
    """Create a volume."""
    made = context.engine.create_volume(volume, driver=driver, options=pairs(opt), labels=pairs(label))
    sys.stdout.write(f"{made.name}\n")
