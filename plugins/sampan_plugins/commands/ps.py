"""List containers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands import _container_rows
from sampan_plugins.commands._flags import FILTER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.model.container import Container

_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_RAW = (
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{.State}}\n"
    "status: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\nports: {{- pad .Ports 1 0}}\n"
)
_BLAME = ("failed to parse template", "failed to execute template")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``ps``."""
    return ps


@command("ps")
@click.option("--all", "-a", "everything", is_flag=True, help="Show all containers (default shows just running)")
@click.option("--filter", "-f", "filters", type=FILTER, multiple=True, metavar="filter", help="Show only some")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--last", "-n", type=int, default=-1, help="Show the last n created, whatever their state")
@click.option("--latest", "-l", is_flag=True, help="Show the last one created, whatever its state")
@click.option("--no-trunc", is_flag=True, help="Do not shorten what is shown")
@click.option("--quiet", "-q", is_flag=True, help="Only display container IDs")
@click.option("--size", "-s", is_flag=True, help="Display total file sizes")
@pass_context
def ps(
    context: Context, everything: bool, filters: tuple[tuple[str, str], ...], form: str, last: int, latest: bool,
    no_trunc: bool, quiet: bool, size: bool,
) -> None:  # fmt: skip
    """List containers."""
    from sampan.cli.table import listing

    if quiet and form:
        sys.stderr.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n")
        form = ""
    last = 1 if latest else last
    asks_for_state = any(key == "status" for key, _ in filters)
    found: Iterable[Container] = context.engine.containers(all=everything or last >= 0 or asks_for_state)
    if filters:
        from sampan_plugins.commands._container_filters import matching

        found = matching(context, found, filters)
    chosen = list(found)[: last if last >= 0 else None]
    rows = _container_rows.Rows(context, no_trunc)
    if quiet:
        lines = [rows.identity(container) for container in chosen]
    else:
        sizes = size or ".Size" in form
        table = [rows.row(container, _size(context, container) if sizes else "0B") for container in chosen]
        columns = (*_COLUMNS, "Size") if size else _COLUMNS
        lines = listing(
            table, _container_rows.HEADERS, columns, form, kind="*formatter.ContainerContext",
            raw=_RAW + "size: {{.Size}}\n" if size else _RAW, blame=_BLAME,
        )
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def _size(context: Context, container: Container) -> str:
    size = context.engine.container_size(container)
    return f"{units.human_size(size.own)} (virtual {units.human_size(size.whole)})"
