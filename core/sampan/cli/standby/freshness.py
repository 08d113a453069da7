"""Tell whether the code that was imported is still the code that is installed."""

from __future__ import annotations

import os
import sys
import time

_SETTLED = 50_000_000  # ns: a file changed later than this before it was imported may have changed after
_Stamp = tuple[int, int, int]


class Freshness:
    """What modules' files and the directories of ``sys.path`` were when they were last noted."""

    def __init__(self) -> None:
        self._stamps: dict[str, _Stamp | None] = {path: _stamp(path) for path in sys.path}
        self._noted: set[str] = set()
        self._sure = True
        self._library = os.path.dirname(os.__file__) + "/"

    def note(self, began: int) -> None:
        """Take stamps of the files of modules imported since ``began``, in ns since the epoch."""
        for name in sys.modules.keys() - self._noted:
            self._noted.add(name)
            spec = getattr(sys.modules[name], "__spec__", None)
            file = spec.origin if spec is not None and spec.has_location else None
            if file is None or (file.startswith(self._library) and "/site-packages/" not in file):
                continue
            stamp = _stamp(file)
            self._stamps[file] = stamp
            self._sure &= stamp is not None and stamp[0] < began - _SETTLED

    def holds(self) -> bool:
        """Tell whether nothing has changed since."""
        return self._sure and all(_stamp(path) == stamp for path, stamp in self._stamps.items())


def now() -> int:
    """Return the time as ``note`` takes it."""
    return time.time_ns()


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ctime_ns, status.st_size, status.st_ino
