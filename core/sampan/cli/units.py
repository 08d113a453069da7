"""Read and write sizes, durations and moments as Docker's command line does. Times are nanoseconds or float seconds."""

from __future__ import annotations

import re
import time
from calendar import timegm

from sampan.errors import InvalidInput
from sampan.model.duration import written as format_duration  # noqa: F401  # with the others of its kind

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?([kmgtp]?)(i?b)?", re.IGNORECASE)
_GO_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9}
_GO_UNITS |= {"ms": 10**6, "us": 10**3, "µs": 10**3, "μs": 10**3, "ns": 1}
_GO_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?)?(Z|[+-]\d\d:\d\d)?"
)


def human_size(size: float, digits: int = 3) -> str:
    """Return a size in decimal units with so many significant digits: ``58.5MB``, ``1.23kB``, ``0B``."""
    return _scaled(size, 1000.0, _DECIMAL, digits)


def binary_size(size: float, digits: int = 4) -> str:
    """Return a size in binary units: ``1.5GiB``."""
    return _scaled(size, 1024.0, _BINARY, digits)


def _scaled(size: float, base: float, units: tuple[str, ...], digits: int) -> str:
    step = 0
    while abs(size) >= base and step < len(units) - 1:
        size /= base
        step += 1
    return f"{size:.{digits}g}" + units[step]


def parse_memory(text: str) -> int:
    """Return the bytes of ``512m``, ``1.5GiB``, ``64kb`` or ``1024``; units are binary. Raises InvalidInput."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidInput(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))


def human_duration(seconds: float) -> str:
    """Return ``About a minute``, ``3 hours``, ``2 weeks`` …"""
    whole = int(seconds)
    minutes, hours = whole // 60, int(whole / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    if hours < 24 * 7 * 2:
        return f"{days} days"
    if hours < 24 * 30 * 2:
        return f"{days // 7} weeks"
    return f"{days // 30} months" if hours < 24 * 365 * 2 else f"{whole // 3600 // 24 // 365} years"


def ago(moment: float, now: float | None = None) -> str:
    """Return ``5 minutes ago``; empty for a moment that never came."""
    if not moment:
        return ""
    return human_duration((time.time() if now is None else now) - moment) + " ago"


def status(
    state: str, started: float, finished: float, exit_code: int, now: float | None = None, health: str = ""
) -> str:
    """Return what ``ps`` shows of a container in a state such as ``running``: ``Up 17 seconds (healthy)``."""
    here = time.time() if now is None else now
    if state == "running":
        well = f" ({'health: ' if health == 'starting' else ''}{health})" if health else ""
        return f"Up {human_duration(here - started)}{well}"
    if state == "paused":
        return f"Up {human_duration(here - started)} (Paused)"
    if state == "restarting":
        return f"Restarting ({exit_code}) {ago(finished, here)}".rstrip()
    if state == "exited":
        return f"Exited ({exit_code}) {ago(finished, here)}".rstrip()
    return {"created": "Created", "removing": "Removal In Progress", "dead": "Dead"}.get(state, state.capitalize())


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a Go duration: ``1h30m``, ``-1.5s``, ``100ms``. Raises InvalidInput."""
    body = text.lstrip("+-") if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    total = position = 0
    while position < len(body):
        match = _GO_PART.match(body, position)
        if match is None:
            break
        whole, _, fraction = match[1].partition(".")
        unit = _GO_UNITS[match[2]]
        total += int(whole or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        position = match.end()
    if not body or position < len(body) or len(text) - len(body) > 1:
        raise InvalidInput(f'invalid duration "{text}"', "such as 1h30m, 10s or 100ms")
    return -total if text[0] == "-" else total


def parse_moment(text: str, now: float | None = None) -> int:
    """Return the nanoseconds since the epoch of what ``--since`` and ``--until`` take. Raises InvalidInput.

    That is RFC 3339 with or without zone (then local time), seconds or time of day; seconds since the epoch with an
    optional fraction; or a Go duration before ``now``.
    """
    if re.fullmatch(r"-?\d+(\.\d{1,9})?", text):
        whole, _, fraction = text.partition(".")
        return int(whole) * 10**9 + int(fraction.ljust(9, "0")) * (-1 if text[0] == "-" else 1)
    match = _MOMENT.fullmatch(text)
    if match is None:
        try:
            return round((time.time() if now is None else now) * 10**9) - parse_duration(text)
        except InvalidInput:
            raise InvalidInput(f"invalid value for time: {text!r}", "RFC 3339, Unix seconds or 10m") from None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        time.strptime(f"{year:04d}-{month:02d}-{day:02d} {hour}:{minute}:{second}", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise InvalidInput(f"invalid value for time: {text!r}", "no such date or time") from None
    fields = (year, month, day, hour, minute, second, 0, 0, -1)
    zone = match[8]
    if zone is None:
        seconds = int(time.mktime(fields))
    else:
        east = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[4:])) * (-60 if zone[0] == "-" else 60)
        seconds = timegm(fields) - east
    return seconds * 10**9 + int((match[7] or "").ljust(9, "0"))


def format_moment(moment: float | int, *, nanoseconds: bool = False, padded: bool = False) -> str:
    """Return a moment as RFC3339Nano, UTC; 0 is Docker's zero time. ``moment``: seconds, or int nanoseconds if so said.

    ``padded`` keeps nine decimals, as ``logs -t`` does.
    """
    if not moment:
        return "0001-01-01T00:00:00Z"
    whole = int(moment // (10**9 if nanoseconds else 1))
    rest = int(moment - whole * 10**9) if nanoseconds else min(round((moment - whole) * 1e9), 10**9 - 1)
    fraction = f".{rest:09d}"
    if not padded:
        fraction = fraction.rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + fraction + "Z"
