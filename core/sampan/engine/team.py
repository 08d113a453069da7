"""Do several things at once in threads, and hear of them in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread

from sampan.engine.progress import Event, Report

_SECONDS_TO_END = 2.0


class Stopped(Exception):  # not a failure: another one made the work pointless
    """The whole of which this work was a part has failed."""


class _Ended:
    """How one thread ended: None, or its error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


Events = SimpleQueue[Event | _Ended]


def run(works: Sequence[Callable[[], None]], events: Events, report: Report, stop: Callable[[], None]) -> None:
    """Run every work in a thread of its own, reporting their events from the calling thread.

    When one fails, or the caller is interrupted, ``stop`` is called; it must make the others raise Stopped or end.
    Raises the first failure. A thread still caught in a system call then is left behind, to raise Stopped later.
    """
    threads = [Thread(target=_guard, args=(work, events), daemon=True) for work in works]
    try:
        for thread in threads:
            thread.start()
        left = len(threads)
        while left:
            item = events.get()
            if isinstance(item, Event):
                report(item)
            elif item.error is None:
                left -= 1
            else:
                raise item.error
    except BaseException:
        stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join(_SECONDS_TO_END)
        raise


def _guard(work: Callable[[], None], events: Events) -> None:
    error: BaseException | None = None
    try:
        work()
    except Stopped:
        pass
    except BaseException as failure:
        error = failure
    events.put(_Ended(error))
