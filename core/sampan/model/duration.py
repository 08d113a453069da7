"""Write durations as Go does."""

from __future__ import annotations


def written(nanoseconds: int) -> str:
    """Return a duration as Go prints it: ``1h30m0s``, ``100ms``, ``1.5µs``, ``0s``."""
    rest = abs(nanoseconds)
    sign = "-" if nanoseconds < 0 else ""
    if rest < 10**9:
        unit, scale = ("ns", 1) if rest < 10**3 else ("µs", 10**3) if rest < 10**6 else ("ms", 10**6)
        return f"{sign}{_fixed(rest, scale)}{unit}" if rest else "0s"
    hours, rest = divmod(rest, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{lead}{_fixed(rest, 10**9)}s"


def _fixed(value: int, scale: int) -> str:
    whole, rest = divmod(value, scale)
    fraction = str(scale + rest)[1:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)
