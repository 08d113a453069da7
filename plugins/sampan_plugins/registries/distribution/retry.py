"""Decide whether and when to try again."""

from __future__ import annotations

import random
import time

PASSING = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses that may be gone a moment later."""

_LONGEST_PAUSE = 15.0


class Backoff:
    """The retries one request has left; pauses grow twofold, with jitter so that clients do not march in step."""

    def __init__(self, retries: int, first: float, max_wait: float) -> None:
        self._retries = retries
        self._first = first
        self._max_wait = max_wait
        self._used = 0

    def wait(self, asked: float | None = None) -> bool:
        """Sleep before the next try; False, at once, when none is left.

        ``asked`` is the wait in seconds the peer asked for; a longer one than is allowed means giving up.
        """
        if self._used >= self._retries or (asked is not None and asked > self._max_wait):
            return False
        pause = min(self._first * 2**self._used, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        self._used += 1
        time.sleep(max(pause, asked or 0.0))
        return True

    def progressed(self) -> None:
        """Start counting anew: something was achieved since the last failure."""
        self._used = 0


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds a Retry-After header asks to wait (RFC 9110 section 10.2.3): a number, or a date."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None
