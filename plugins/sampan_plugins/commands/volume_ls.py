"""List volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._flags import FILTER

if TYPE_CHECKING:
    from sampan.model.volume import VolumeRecord

_HEADERS = {
    "Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT", "Labels": "LABELS",
    "Links": "LINKS", "Size": "SIZE", "Availability": "AVAILABILITY", "Group": "GROUP", "Status": "STATUS",
}  # fmt: skip


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``volume ls``."""
    return volume_ls


@command("ls")
@click.option("--filter", "-f", "filters", type=FILTER, multiple=True, metavar="filter", help="Show only some")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--quiet", "-q", is_flag=True, help="Only display volume names")
@pass_context
def volume_ls(context: Context, filters: tuple[tuple[str, str], ...], form: str, quiet: bool) -> None:
    """List volumes."""
    from sampan.cli.table import listing

    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        wanted.setdefault(name, []).append(value)
    rows = [_row(context, volume) for volume in context.engine.list_volumes(wanted)]
    raw = "name: {{.Name}}" if quiet else "name: {{.Name}}\ndriver: {{.Driver}}\n"
    quietly, kind = "Name" if quiet else "", "*formatter.volumeContext"
    lines = listing(rows, _HEADERS, ("Driver", "Name"), form, quiet=quietly, kind=kind, raw=raw)
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def _row(context: Context, volume: VolumeRecord) -> dict[str, Any]:
    return {
        "Name": volume.name,
        "Driver": volume.driver,
        "Scope": lambda: context.engine.volumes(volume.driver).scope(),
        "Mountpoint": lambda: context.engine.volumes(volume.driver).where(volume.name),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(volume.labels.items())),
        "Label": lambda name: volume.labels.get(name, ""),
        "Links": "N/A",
        "Size": "N/A",
        "Availability": "N/A",
        "Group": "N/A",
        "Status": "N/A",
    }
