"""List containers."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, SampanError
from sampan_plugins.commands._flags import FILTER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.model.container import Container

_HEADERS = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED",
    "Status": "STATUS", "State": "STATE", "Ports": "PORTS", "Names": "NAMES", "Size": "SIZE", "Labels": "LABELS",
    "Mounts": "MOUNTS", "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS", "Platform": "PLATFORM",
}  # fmt: skip
_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


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
@click.option("--size", "-s", is_flag=True, hidden=True)
@pass_context
def ps(
    context: Context, everything: bool, filters: tuple[tuple[str, str], ...], form: str, last: int, latest: bool,
    no_trunc: bool, quiet: bool, size: bool,
) -> None:  # fmt: skip
    """List containers."""
    from sampan.cli.table import listing

    if size:
        raise InvalidInput("--size is not supported yet")
    if quiet and form:
        sys.stderr.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n")
        form = ""
    last = 1 if latest else last
    asks_for_state = any(key in ("status", "exited") for key, _ in filters)
    found: Iterable[Container] = context.engine.containers(all=everything or last >= 0 or asks_for_state)
    if filters:
        from sampan_plugins.commands._container_filters import matching

        found = matching(context, found, filters)
    chosen = list(found)[: last if last >= 0 else None]
    rows = _Rows(context, no_trunc)
    if quiet:
        lines = [rows.identity(container) for container in chosen]
    else:
        lines = listing([rows.row(container) for container in chosen], _HEADERS, _COLUMNS, form, kind="container")
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


class _Rows:
    """Writes containers as rows."""

    def __init__(self, context: Context, no_trunc: bool) -> None:
        self._context = context
        self._whole = no_trunc
        self._now = time.time()
        self._images: dict[tuple[str, str], str] = {}

    def identity(self, container: Container) -> str:
        return container.id if self._whole else container.short_id

    def row(self, container: Container) -> dict[str, Any]:
        spec = container.spec
        return {
            "ID": self.identity(container),
            "Image": self._image(container),
            "Command": self._command(container),
            "CreatedAt": lambda: time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(container.created)),
            "RunningFor": units.ago(container.created, self._now),
            "Status": units.status(
                container.status, container.started, container.finished, container.exit_code, self._now
            ),
            "State": str(container.status),
            "Ports": "",
            "Names": container.name,
            "Size": "0B",
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(spec.labels.items())),
            "Label": lambda key: spec.labels.get(key, ""),
            "Mounts": lambda: self._mounts(container),
            "LocalVolumes": str(sum(volume.kind == "volume" for volume in spec.volumes)),
            "Networks": spec.network,
            "Platform": spec.platform or None,
        }

    def _image(self, container: Container) -> str:
        """Return the image's name as the user gave it; its id if that is what was given, or names another by now."""
        key = (container.spec.image, container.image_id)
        if key not in self._images:
            self._images[key] = self._name(container)
        return self._images[key]

    def _name(self, container: Container) -> str:
        given, identity = container.spec.image, container.image_id
        digits = identity.partition(":")[2]
        try:
            same = self._context.engine.image(given).id == identity
        except SampanError:
            same = False
        if same and not digits.startswith(given.removeprefix("sha256:")):
            return given
        return identity if self._whole else digits[:12]

    def _command(self, container: Container) -> str:
        args = (f"'{arg}'" if " " in arg else arg for arg in container.args)
        line = " ".join((container.path, *args))
        if not self._whole and len(line) > 20:
            line = line[:19] + "…"
        return _quoted(line)

    def _mounts(self, container: Container) -> str:
        names = (volume.source for volume in container.spec.volumes if volume.kind != "tmpfs")
        return ",".join(
            name if self._whole or len(name) <= 15 else name[:14] + "…" for name in names if name
        )


def _quoted(text: str) -> str:
    """Return text as Go's strconv.Quote does."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b",
               "\f": "\\f", "\v": "\\v"}  # fmt: skip
    return '"' + "".join(escapes.get(one) or (one if one.isprintable() else _escaped(one)) for one in text) + '"'


def _escaped(one: str) -> str:
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
