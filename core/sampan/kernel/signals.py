"""Set what signals do (signal(7)), without the enumerations of ``signal``, which cost more than the calls."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what ``signal`` itself stands on
from collections.abc import Callable
from types import FrameType
from typing import Final

Handler = Callable[[int, FrameType | None], object] | int | None
"""A function, SIG_DFL, SIG_IGN, or None for one that is not Python's."""

SIG_DFL: Final[int] = 0
SIG_IGN: Final[int] = 1

CHANGEABLE: Final[tuple[int, ...]] = tuple(
    sorted(_signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP})
)
"""The signals that a process may choose the action of."""


def handler(number: int) -> Handler:
    """Return what a signal does."""
    found: Handler = _signal.getsignal(number)
    return found


def handle(number: int, action: Handler) -> Handler:
    """Choose what a signal does; return what it did."""
    before: Handler = _signal.signal(number, action)
    return before
