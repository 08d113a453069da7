"""Get real time events from the server."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput
from sampan_plugins.commands._flags import FILTER

_BLAME = "Error parsing format"


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``events``."""
    return events


@command("events")
@click.option("--filter", "-f", "filters", type=FILTER, multiple=True, metavar="filter", help="Show only some")
@click.option("--format", "form", metavar="string", default="", help='A Go template, or "json"')
@click.option("--since", metavar="string", default="", help="Show what happened since then, too")
@click.option("--until", metavar="string", default="", help="Show what happens up to then")
@pass_context
def events(context: Context, filters: tuple[tuple[str, str], ...], form: str, since: str, until: str) -> None:
    """Get real time events from the server."""
    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        wanted.setdefault(name, []).append(value)
    write = _Writer(form)
    for event in context.engine.events(since=_moment(since), until=_moment(until), filters=wanted):
        sys.stdout.write(write.line(event))
        sys.stdout.flush()


def _moment(text: str) -> int | None:
    if not text:
        return None
    from sampan.cli.units import parse_moment

    try:
        return parse_moment(text)
    except InvalidInput as error:
        raise InvalidInput(f'failed to parse value as time or duration: "{text}"') from error


class _Writer:
    """Writes events as lines."""

    def __init__(self, form: str) -> None:
        self._json = form in ("json", "{{json .}}")
        self._template = None
        if form and not self._json:
            from sampan.cli.gotemplate import WRONG, Template

            self._template = Template(form, blame=_BLAME, exit_code=WRONG)

    def line(self, event: dict[str, Any]) -> str:
        if self._json:
            import msgspec

            return msgspec.json.encode(event).decode() + "\n"
        return f"{self._shown(event) if self._template else _plain(event)}\n"

    def _shown(self, event: dict[str, Any]) -> str:
        from sampan.cli.gotemplate import Record

        assert self._template is not None
        fields = {
            "Status": event["status"], "ID": event["id"], "From": event.get("from", ""), "Type": event["Type"],
            "Action": event["Action"], "Actor": event["Actor"], "Scope": event["scope"], "Time": event["time"],
            "TimeNano": event["timeNano"],
        }  # fmt: skip
        try:
            return self._template.render(Record(fields, "*events.Message"), blame=_BLAME)
        except InvalidInput as error:
            from sampan.cli.gotemplate import WRONG

            error.exit_code = WRONG
            raise


def _plain(event: dict[str, Any]) -> str:
    seconds, nanoseconds = divmod(event["timeNano"], 10**9)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", local) + f".{nanoseconds:09d}"
    stamp += "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    told = ", ".join(f"{key}={value}" for key, value in event["Actor"]["Attributes"].items())
    return f"{stamp} {event['Type']} {event['Action']} {event['Actor']['ID']}" + (f" ({told})" if told else "")
