"""Let a monitor that has nothing to do give its memory back, and come back when something happens.

It writes down what it knows, closes what it can open again, and executes ``watch.py`` in its place, which takes a fifth
of the memory and waits at the same descriptors; that then executes the monitor anew. The process stays the same one:
id, start time, namespaces and children, so nobody notices but whoever waits the tenth of a second that waking takes.
One that is woken soon is slower to fall asleep next time.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from sampan.config import Settings
from sampan.engine.clients import Held
from sampan.engine.naming import service as name_service
from sampan.plugin.index import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable

_SOON = 6
"""A sleep shorter than this many times the quiet that preceded it was not worth it."""
_LONGEST = 3600.0
_PROGRAM = """\
import sys
note, *sys.path[:], child = sys.argv[1:]
from sampan.engine import monitor
monitor.wake(int(note), int(child))
"""


class Memory(msgspec.Struct, frozen=True):
    """What a monitor knows. ``quiet`` is after how many seconds of it it fell asleep, ``since`` when."""

    settings: Settings
    claims: tuple[Claim, ...]
    container: str
    streams: Held
    sandbox: int
    host: int
    pause: float
    quiet: float
    since: float
    shortage: int = -1
    shortages: int = 0
    names: name_service.Order | None = None

    @property
    def kept(self) -> set[int]:
        """The descriptors to keep."""
        names = self.names.descriptors if self.names else ()
        return self.streams.all | {self.sandbox, self.host, self.shortage, *names} - {-1}

    def patience(self) -> float:
        """Return the seconds of quiet to wait for next time."""
        soon = time.time() - self.since < _SOON * self.quiet
        return min(2 * self.quiet, _LONGEST) if soon else float(self.settings.slumber)


def sleep(memory: Memory, child: int) -> None:
    """Execute the watch in this process's place. Returns only when that cannot be done, with everything as it was.

    ``child`` is the pid of the name service's server, 0 when none runs.
    """
    note = os.memfd_create("sampan-monitor", 0)
    try:
        os.write(note, msgspec.json.encode(memory))
        os.lseek(note, 0, os.SEEK_SET)
        _inherit(memory.kept, True)
        shortage = [memory.shortage] if memory.shortage >= 0 else []
        watched = ",".join(map(str, (*memory.streams.watched, *shortage)))
        given = ",".join(map(str, memory.names.descriptors if memory.names else ()))
        server = name_service.command(memory.names) if memory.names else []
        again = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(note), *sys.path]
        watch = os.path.join(os.path.dirname(__file__), "watch.py")
        os.execv(sys.executable, [
            sys.executable, "-I", "-S", watch, watched, given, str(child), str(len(server)), *server, *again,
        ])
    except OSError:
        _inherit(memory.kept, False)
        os.close(note)


def remember(note: int) -> Memory:
    """Read what was written down before falling asleep."""
    with open(note, "rb") as file:
        memory = msgspec.json.decode(file.read(), type=Memory)
    _inherit(memory.kept, False)
    return memory


def _inherit(descriptors: Iterable[int], inheritable: bool) -> None:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, inheritable)
