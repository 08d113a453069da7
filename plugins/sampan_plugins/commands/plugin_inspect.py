"""Display detailed information on one or more plugins."""

from __future__ import annotations

from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``plugin inspect``."""
    return plugin_inspect


@command("inspect")
@click.argument("plugins", nargs=-1, required=True, metavar="SLOT/NAME [SLOT/NAME...]")
@pass_context
def plugin_inspect(context: Context, plugins: tuple[str, ...]) -> None:
    """Display detailed information on one or more plugins.

    Shown are the options its table in the configuration takes, its capabilities, the hooks it implements, and the
    distribution it comes from.
    """
    import json

    click.echo(json.dumps([_described(context, plugin) for plugin in plugins], indent=4, ensure_ascii=False))


def _described(context: Context, plugin: str) -> dict[str, Any]:
    slot, slash, name = plugin.partition("/")
    if not slash or not name:
        raise InvalidInput(f'"{plugin}" is not a plugin', 'write it as SLOT/NAME, as "sampan plugin ls" shows')
    if slot == "commands":
        name = name.replace(" ", ".")
    claim = context.plugins.find(slot, name)
    info = context.plugins.info(slot, name)
    settings = context.settings.options.get(f"{slot}/{name}", {})
    return {
        "Slot": slot,
        "Name": name,
        "Summary": info.summary,
        "Distribution": claim.distribution,
        "Version": claim.version,
        "Module": claim.target,
        "Hooks": context.plugins.hooks(slot, name),
        "Options": [
            {
                "Name": option.name,
                "Default": option.default,
                "Value": str(settings.get(option.name, option.default)),
                "Summary": option.summary,
            }
            for option in info.options
        ],
        "Capabilities": info.capabilities,
    }
