"""Break off what takes too long."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sampan.errors import PluginFault


class _Overdue(BaseException):
    """The time is up; no ``except Exception`` on the way out catches it."""


@contextmanager
def limited(seconds: float, what: str) -> Iterator[None]:
    """Break the block off after so many seconds and raise PluginFault, which says ``what`` failed; 0: wait for ever.

    It takes SIGALRM for that, which only the main thread can: in any other there is no limit. Nor can code be broken
    off that does not return to the interpreter.
    """
    try:
        before = signal.signal(signal.SIGALRM, _overdue) if seconds else None
    except ValueError:
        before = None
    if before is None:
        yield
        return
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Overdue as error:
        raise PluginFault(f"{what}: it was not done after {seconds:g} seconds") from error
    finally:
        signal.signal(signal.SIGALRM, before)


def _overdue(number: int, frame: FrameType | None) -> None:
    raise _Overdue
