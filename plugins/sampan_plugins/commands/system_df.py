"""Show disk usage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands import _container_rows, _image_rows

if TYPE_CHECKING:
    from sampan.model.disk_usage import ContainerUsage, DiskUsage, ImageUsage

_HEADERS = {
    "Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE",
}  # fmt: skip
_IMAGES = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINERS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
_NO_VOLUMES = "VOLUME NAME   LINKS     SIZE"
_NO_CACHE = "CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED"
_ACTIVE = ("running", "paused", "restarting")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``system df``."""
    return df


@command("df")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--verbose", "-v", is_flag=True, help="Show detailed information on space usage")
@pass_context
def df(context: Context, form: str, verbose: bool) -> None:
    """Show disk usage."""
    from sampan.cli.table import listing

    usage = context.engine.disk_usage()
    if not verbose:
        rows = [_images(usage), _containers(usage.containers), _nothing("Local Volumes"), _nothing("Build Cache")]
        lines: Iterable[str] = listing(rows, _HEADERS, tuple(_HEADERS), form, kind="*formatter.diskUsageContext")
    elif form:
        lines = [_templated(context, usage, form)]
    else:
        lines = _details(context, usage)
    click.echo("\n".join(lines))


def _images(usage: DiskUsage) -> dict[str, str]:
    used = [image for image in usage.images if image.containers]
    free = usage.image_bytes - sum(image.size - image.shared for image in used)
    return _row("Images", len(usage.images), len(used), usage.image_bytes, free)


def _containers(usages: Sequence[ContainerUsage]) -> dict[str, str]:
    active = [usage for usage in usages if usage.container.status in _ACTIVE]
    size = sum(usage.size for usage in usages)
    return _row("Containers", len(usages), len(active), size, size - sum(usage.size for usage in active))


def _nothing(kind: str) -> dict[str, str]:
    return _row(kind, 0, 0, 0, 0)


def _row(kind: str, count: int, active: int, size: int, free: int) -> dict[str, str]:
    share = f" ({free * 100 // size}%)" if size else ""
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": units.human_size(size, 4),
        "Reclaimable": units.human_size(free, 4) + share,
    }


def _image_row(usage: ImageUsage, *, whole: bool = False) -> dict[str, Any]:
    """Return the row of an image, by its first tag."""
    names = next(iter(_image_rows.names(usage.image, digests=False)))
    return _image_rows.row(usage.image, *names, no_trunc=whole) | {
        "Size": units.human_size(usage.size),
        "VirtualSize": units.human_size(usage.size, 4),
        "SharedSize": units.human_size(usage.shared, 4),
        "UniqueSize": units.human_size(usage.size - usage.shared, 4),
        "Containers": str(usage.containers),
    }


def _details(context: Context, usage: DiskUsage) -> Iterable[str]:
    from sampan.cli.table import listing

    rows = _container_rows.Rows(context, no_trunc=False)
    images = [_image_row(image) for image in usage.images]
    containers = [rows.row(one.container, units.human_size(one.size)) for one in usage.containers]
    yield "Images space usage:\n"
    yield from listing(images, _image_rows.HEADERS, _IMAGES)
    yield "\nContainers space usage:\n"
    yield from listing(containers, _container_rows.HEADERS, _CONTAINERS)
    yield f"\nLocal Volumes space usage:\n\n{_NO_VOLUMES}"
    yield f"\nBuild cache usage: 0B\n\n{_NO_CACHE}"


def _templated(context: Context, usage: DiskUsage, form: str) -> str:
    from sampan.cli.gotemplate import Record, Template

    rows = _container_rows.Rows(context, no_trunc=True)
    found = Record({
        "Images": [Record(_image_row(image, whole=True)) for image in usage.images],
        "Containers": [Record(rows.row(one.container, units.human_size(one.size))) for one in usage.containers],
        "Volumes": [],
        "BuildCache": [],
    }, "*formatter.diskUsageContext")
    return Template("{{json .}}" if form == "json" else form).render(found)
