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
from sampan.engine.streams import Held
from sampan.plugin.index import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable

_SOON = 6
"""A sleep shorter than this many times the quiet that preceded it was not worth it."""
_LONGEST = 3600.0
_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from sampan.engine import monitor; monitor.wake(int(sys.argv[1]))"


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

    def patience(self) -> float:
        """Return the seconds of quiet to wait for next time."""
        soon = time.time() - self.since < _SOON * self.quiet
        return min(2 * self.quiet, _LONGEST) if soon else float(self.settings.slumber)


def sleep(memory: Memory) -> None:
    """Execute the watch in this process's place. Returns only when that cannot be done, with everything as it was."""
    note = os.memfd_create("sampan-monitor", 0)
    kept = memory.streams.all | ({memory.sandbox, memory.host} - {-1})
    try:
        os.write(note, msgspec.json.encode(memory))
        os.lseek(note, 0, os.SEEK_SET)
        _inherit(kept, True)
        watched = ",".join(map(str, memory.streams.watched))
        again = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(note), *sys.path]
        watch = os.path.join(os.path.dirname(__file__), "watch.py")
        os.execv(sys.executable, [sys.executable, "-I", "-S", watch, watched, *again])
    except OSError:
        _inherit(kept, False)
        os.close(note)


def remember(note: int) -> Memory:
    """Read what was written down before falling asleep."""
    with open(note, "rb") as file:
        memory = msgspec.json.decode(file.read(), type=Memory)
    _inherit(memory.streams.all | ({memory.sandbox, memory.host} - {-1}), False)
    return memory


def _inherit(descriptors: Iterable[int], inheritable: bool) -> None:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, inheritable)
