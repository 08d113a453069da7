"""Keep logs in Docker's json-file format, with its options, so that log shippers find what they know."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping

from sampan.contracts.log import NOTHING, Entry, LogDriver, LogWriter
from sampan.errors import InvalidInput, OutOfSpace, Unavailable

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


class JsonFileDriver(LogDriver):
    """One file per container, rotated when ``max-size`` says so. ``defaults`` serve where a container has no option."""

    def __init__(self, defaults: Mapping[str, str] | None = None) -> None:
        self._defaults = dict(defaults or {})
        _parse(self._defaults)

    def check(self, options: Mapping[str, str]) -> None:
        """Raise InvalidInput on options."""
        _parse(options)

    def open(
        self, where: str, container: str, options: Mapping[str, str], attributes: Mapping[str, str] = NOTHING
    ) -> LogWriter:
        """Open ``where/CONTAINER-json.log``. Raises InvalidInput on options, OutOfSpace, Unavailable."""
        from sampan_plugins.logs.json_file.files import path_of
        from sampan_plugins.logs.json_file.writer import JsonFileWriter

        max_size, max_file = _parse({**self._defaults, **options})
        try:
            return JsonFileWriter(path_of(where, container), max_size, max_file, attributes)
        except OSError as error:
            kind = OutOfSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable
            raise kind(f"cannot open the log of {container[:12]} in {where}: {error.strerror}") from error

    def read(
        self,
        where: str,
        options: Mapping[str, str],
        *,
        since: float = 0.0,
        until: float = 0.0,
        tail: int = -1,
        follow: Callable[[], bool] | None = None,
    ) -> Iterator[Entry]:
        """Yield entries as the contract says; a log that does not exist yet is empty."""
        from sampan_plugins.logs.json_file.reader import read

        _parse(options)
        return read(where, since, until, tail, follow)


def _parse(options: Mapping[str, str]) -> tuple[int, int]:
    """Return ``max-size`` in bytes (-1: none) and ``max-file``. Raises InvalidInput."""
    for name in options:
        if name not in ("max-size", "max-file"):
            raise InvalidInput(f"unknown log opt '{name}' for json-file log driver")
    max_size = _size(options.get("max-size", "-1"))
    text = options.get("max-file", "1")
    if not text.isdecimal():
        raise InvalidInput(f"invalid max-file {text!r}: not a number")
    if int(text) < 1:
        raise InvalidInput("max-file cannot be less than 1")
    return max_size, int(text)


def _size(text: str) -> int:
    if text == "-1":
        return -1
    number = text.lower().removesuffix("b").rstrip("kmgtp")
    unit = text.lower().removesuffix("b")[len(number) :]
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        size = 0
    if size <= 0:
        raise InvalidInput(f"invalid max-size {text!r}", "a positive number with a unit, such as 10m")
    return size
