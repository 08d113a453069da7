"""Do one thing in a thread, side by side with the caller.

A fork would cost more than the work: it copies every page that either side then looks at. ``threading`` is left out
for its import.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Worker(Generic[_T]):
    """A thread that computes one value."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._value: list[_T] = []
        self._error: BaseException | None = None
        self._busy = allocate_lock()
        self._busy.acquire()
        start_new_thread(self._labour, (work,))

    def result(self) -> _T:
        """Wait for the value. Raises the error that the work raised."""
        self.close()
        if self._error is not None:
            raise self._error
        return self._value[0]

    def close(self) -> None:
        """Wait for the end of the work, whatever it comes to: what it has begun must not go on while it is undone."""
        with self._busy:
            pass

    def _labour(self, work: Callable[[], _T]) -> None:
        try:
            self._value.append(work())
        except BaseException as error:
            self._error = error
        finally:
            self._busy.release()
