"""Fetch the logs of a container."""

from __future__ import annotations

from collections.abc import Callable

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput


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
            pending += prefix(entry.time)
        pending += entry.content
        begins[entry.stream] = entry.content.endswith(b"\n")
        if follow:
            write(target, bytes(pending))
            pending.clear()
    write(target, bytes(pending))


def _prefix(timestamps: bool, details: bool) -> Callable[[float], bytes]:
    from sampan.cli.units import format_moment

    def prefix(time: float) -> bytes:
        stamp = format_moment(time, padded=True).encode() + b" " if timestamps else b""
        return stamp + (b" " if details else b"")

    return prefix


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
