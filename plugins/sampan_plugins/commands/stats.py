"""Display a live stream of container(s) resource usage statistics."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import NotFound

if TYPE_CHECKING:
    from sampan.model.container import Container
    from sampan.model.usage import Usage

_HEADERS = {
    "Container": "CONTAINER", "Name": "NAME", "ID": "CONTAINER ID", "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
}  # fmt: skip
_COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
_GLANCE = 0.5
_INTERVAL = 1.0
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``stats``."""
    return stats


@command("stats")
@click.option("--all", "-a", "everything", is_flag=True, help="Show all containers (default shows just running)")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--no-stream", is_flag=True, help="Show the first result only")
@click.option("--no-trunc", is_flag=True, help="Do not shorten what is shown")
@click.argument("containers", metavar="[CONTAINER...]", nargs=-1, required=False)
@pass_context
def stats(
    context: Context, containers: tuple[str, ...], everything: bool, form: str, no_stream: bool, no_trunc: bool
) -> None:
    """Display a live stream of container(s) resource usage statistics."""
    from sampan.cli.table import listing

    meters = _Meters(context, containers, everything, no_trunc)
    listing([], _HEADERS, _COLUMNS, form, kind="container")  # a template that is wrong is told of at once
    meters.read()
    while True:
        time.sleep(_GLANCE if no_stream else _INTERVAL)
        lines = listing(meters.read(), _HEADERS, _COLUMNS, form, kind="container")
        if no_stream:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            return
        shown = "".join(f"{line} {_REST_OF_LINE}\n" for line in lines)
        sys.stdout.write(f"{_HOME}{shown}{_REST_OF_SCREEN}")
        sys.stdout.flush()


class _Meters:
    """Reads what containers use, and what they have used since the last reading."""

    def __init__(self, context: Context, names: tuple[str, ...], everything: bool, whole: bool) -> None:
        self._context = context
        self._names = names
        self._everything = everything
        self._whole = whole
        self._last: dict[str, Usage] = {}
        self._memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        for name in names:
            context.engine.container(name)  # which must be there to begin with

    def read(self) -> list[dict[str, Any]]:
        """Return a row for each container."""
        before, self._last = self._last, {}
        return [self._row(shown, container, before.get(container.id)) for shown, container in self._containers()]

    def _containers(self) -> list[tuple[str, Container]]:
        engine = self._context.engine
        if not self._names:
            return [(one.short_id, one) for one in engine.containers(all=self._everything)]
        found = []
        for name in self._names:
            try:
                found.append((name, engine.container(name)))
            except NotFound:
                continue  # removed meanwhile
        return found

    def _row(self, shown: str, container: Container, before: Usage | None) -> dict[str, Any]:
        now = self._last[container.id] = self._context.engine.usage(container)
        group = now.group
        used = group.memory_usage - min(group.memory_inactive_file, group.memory_usage)
        limit = min(group.memory_limit or self._memory, self._memory) if container.pid else 0
        return {
            "Container": shown,
            "Name": container.name,
            "ID": container.id if self._whole else container.short_id,
            "CPUPerc": f"{_processor(before, now):.2f}%",
            "MemUsage": f"{units.binary_size(used)} / {units.binary_size(limit)}",
            "MemPerc": f"{100 * used / limit if limit else 0:.2f}%",
            "NetIO": f"{units.human_size(now.received)} / {units.human_size(now.sent)}",
            "BlockIO": f"{units.human_size(group.blkio_read)} / {units.human_size(group.blkio_write)}",
            "PIDs": str(group.pids_current),
        }


def _processor(before: Usage | None, now: Usage) -> float:
    """Return the percentage of one processor used in between; of two used wholly 200."""
    if before is None or now.moment <= before.moment:
        return 0.0
    return max(100 * (now.group.cpu_total - before.group.cpu_total) / (now.moment - before.moment), 0.0)
