"""Export a container's filesystem as a tar archive."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``export``."""
    return export


@command("export")
@click.option("--format-driver", metavar="string", default="", help="Snapshot format to write")
@click.option("--output", "-o", metavar="string", help="Write to a file, instead of STDOUT")
@click.argument("container", metavar="CONTAINER")
@pass_context
def export(context: Context, container: str, output: str | None, format_driver: str) -> None:
    """Export a container's filesystem as a tar archive."""
    from sampan_plugins.commands import _output

    context.engine.container(container)
    with _output.opened(output, "export container") as out:
        context.engine.export(container, out, format=format_driver)
