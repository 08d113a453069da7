"""Fetch the logs of a container."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.contracts.log import Entry


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``logs``."""
    return logs


@command("logs")
@click.option("--details", is_flag=True, help="Show the labels and variables that log options name, if any")
@click.option("--follow", "-f", is_flag=True, help="Go on as more is logged")
@click.option("--since", metavar="string", default="", help='Only from then on ("2013-01-02T13:23:37Z", "42m")')
@click.option("--tail", "-n", metavar="string", default="all", help="Only so many lines from the end")
@click.option("--timestamps", "-t", is_flag=True, help="Show when each line was printed")
@click.option("--until", metavar="string", default="", help='Only up to then ("2013-01-02T13:23:37Z", "42m")')
@click.argument("container", metavar="CONTAINER")
@pass_context
def logs(
    context: Context, container: str, details: bool, follow: bool, since: str, tail: str, timestamps: bool, until: str
) -> None:
    """Fetch the logs of a container."""
    from sampan.cli.relay import write

    prefix = _prefix(timestamps, details) if timestamps or details else None
    entries = context.engine.logs(
        container, follow=follow, since=_moment("since", since), until=_moment("until", until), tail=_lines(tail)
    )
    begins = {"stdout": True, "stderr": True}
    pending, target = bytearray(), 1
    for entry in entries:
        descriptor = 1 if entry.stream == "stdout" else 2
        if pending and (descriptor != target or len(pending) > 1 << 16 or follow):
            write(target, bytes(pending))
            pending.clear()
        target = descriptor
        if prefix and begins[entry.stream]:
            pending += prefix(entry)
        pending += entry.content
        begins[entry.stream] = entry.content.endswith(b"\n")
        if follow:
            write(target, bytes(pending))
            pending.clear()
    write(target, bytes(pending))


def _prefix(timestamps: bool, details: bool) -> Callable[[Entry], bytes]:
    from sampan.cli.units import format_moment

    second, shown = -1, b""

    def stamp(time: float) -> bytes:
        nonlocal second, shown
        whole = int(time)
        if whole != second:  # most lines share it with their neighbour
            second, shown = whole, format_moment(whole, padded=True).encode()[:20]
        return b"%b%09dZ " % (shown, min(round((time - whole) * 1e9), 10**9 - 1))

    def prefix(entry: Entry) -> bytes:
        told = stamp(entry.time) if timestamps else b""
        return told + _attributes(entry) + b" " if details else told

    return prefix


def _attributes(entry: Entry) -> bytes:
    """Return what is kept with a line, as in a query of a URL."""
    if not entry.attributes:
        return b""
    from urllib.parse import quote_plus

    pairs = (f"{quote_plus(key)}={quote_plus(value)}" for key, value in sorted(entry.attributes.items()))
    return ",".join(pairs).encode()


def _moment(flag: str, text: str) -> float:
    if not text:
        return 0.0
    from sampan.cli.units import parse_moment

    try:
        return parse_moment(text) / 1e9
    except InvalidInput as error:
        raise InvalidInput(
            f'invalid value for "{flag}": failed to parse value as time or duration: "{text}"'
        ) from error


def _lines(text: str) -> int:
    """Return the number of lines wanted, -1 for all, which is also what Docker makes of anything else."""
    return int(text) if text.isdigit() else -1
