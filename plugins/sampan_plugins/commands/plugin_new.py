"""Write the project of a new plugin."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import AlreadyExists


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``plugin new``."""
    return plugin_new


@command("new")
@click.option("--quiet", "-q", is_flag=True, help="Only display the directory")
@click.argument("slot", metavar="SLOT")
@click.argument("name", metavar="NAME")
@click.argument("directory", metavar="[DIRECTORY]", required=False)
@pass_context
def plugin_new(context: Context, slot: str, name: str, directory: str | None, quiet: bool) -> None:
    """Write the project of a new plugin.

    It is complete: it can be installed, works, and passes its own tests. Change it into what you need. Without
    DIRECTORY it is written to one named after the plugin, below the current directory.
    """
    import shlex

    from sampan.plugin import slots
    from sampan_plugins.commands import _project

    slots.get(slot)
    point = _project.check_name(slot, name)
    for claim in context.plugins.claims:
        if (claim.slot, claim.name) == (slot, point):
            raise AlreadyExists(f"{slot}/{point} is there already, from {claim.distribution}", "choose another name")
    where = directory or f"sampan-{point.replace('.', '-')}"
    files = _project.write(slot, point, where)
    if quiet:
        click.echo(where)
        return
    click.echo("\n".join(f"{where}/{file}" for file in files))
    there = shlex.quote(where)
    click.echo(f"Install and test it: pip install -e {there}[testing] && pytest {there}")
