"""Keep nothing of what containers print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sampan.contracts.log import NOTHING, Entry, LogDriver, LogWriter, Stream
from sampan.errors import InvalidInput, Unsupported


class NoneLogDriver(LogDriver):
    """Takes everything, keeps nothing, and cannot be read."""

    def check(self, options: Mapping[str, str]) -> None:
        """Raise InvalidInput on any option."""
        _check(options)

    def open(
        self, where: str, container: str, options: Mapping[str, str], attributes: Mapping[str, str] = NOTHING
    ) -> LogWriter:
        """Open a writer that forgets. Raises InvalidInput on any option."""
        _check(options)
        return _Forgetful()

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
        """Raise Unsupported: there is nothing to read."""
        _check(options)
        raise Unsupported("configured logging driver does not support reading")


class _Forgetful(LogWriter):
    def write(self, stream: Stream, content: bytes, time: float) -> None:
        return

    def close(self) -> None:
        return


def _check(options: Mapping[str, str]) -> None:
    if options:
        raise InvalidInput("invalid logging opts for driver none")
