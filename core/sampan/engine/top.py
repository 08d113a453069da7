"""List a container's processes as the host's ps(1) shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.engine import events, pause
from sampan.errors import InvalidInput, SampanError, Unsupported

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_RENAMED_PID = re.compile(r"\s+([^\s]*)=\s*(PID[^\s]*)")
_DEFAULT = ("-ef",)


def top(engine: Engine, text: str, options: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows; see Engine.top."""
    options = options or _DEFAULT
    _check(options)
    container = pause.require_running(engine.container(text))
    pids = frozenset(engine.runtime(container.runtime).pids(container.id))
    titles, rows = chosen(_ps(options, pids), pids)
    events.container(engine, container, "top")
    return titles, rows


def chosen(listing: str, pids: frozenset[int]) -> tuple[list[str], list[list[str]]]:
    """Return what ps printed of these processes, and of their threads where it lists those below them.

    What has more words than there are titles ends in a column of several. Raises InvalidInput without a PID column.
    """
    heading, *lines = listing.splitlines() or [""]
    titles = heading.split()
    if "PID" not in titles:
        raise InvalidInput("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows, within = [], False
    for line in filter(None, lines):
        fields = line.split()
        if fields[column] != "-":
            within = _number(fields[column]) in pids
        if within:
            last = len(titles) - 1
            rows.append([*fields[:last], " ".join(fields[last:])])
    return titles, rows


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"Unexpected pid '{text}'") from None


def _check(options: Sequence[str]) -> None:
    """Refuse another column named PID: it would choose the processes."""
    for key, value in _RENAMED_PID.findall(" " + " ".join(options)):
        if key != "pid":
            raise InvalidInput(f'specifying "{key}={value}" is not allowed')


def _ps(options: Sequence[str], pids: frozenset[int]) -> str:
    """Ask ps of these processes alone; where its options do not go with that, of all."""
    import subprocess

    only = "-q" + ",".join(map(str, sorted(pids)))
    for command in (["ps", only, *options], ["ps", *options]):
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except FileNotFoundError as error:
            raise Unsupported('exec: "ps": executable file not found in $PATH', "apt-get install procps") from error
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
    complaint = done.stderr.decode(errors="replace").partition("\n")[0]
    raise SampanError(f"ps: {complaint}" if complaint else f"ps: exit status {done.returncode}")
