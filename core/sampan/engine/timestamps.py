"""Read and write the moments in image documents (RFC 3339)."""

from __future__ import annotations

import time


def seconds(text: str | None) -> float:
    """Return a moment as seconds since the epoch; 0 when there is none, or none that makes sense."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def written(moment: float) -> str:
    """Return a moment as Docker's documents have it: in UTC to the nanosecond, without zeros at the end."""
    whole = int(moment)
    fraction = f".{int((moment - whole) * 1e9):09d}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + fraction + "Z"
