"""Keep what containers print.

The story
---------
The monitor opens a writer when the container starts and gives it every chunk as it is read; ``logs``
opens a reader, which may follow while the writer writes. The two are in different processes and share only
the directory ``where``, the container's own, which the driver uses as it likes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

NOTHING: Mapping[str, str] = {}
Stream = Literal["stdout", "stderr"]


class Entry(msgspec.Struct, frozen=True):
    """What ``logs`` shows: a line with its newline, or the beginning of one. ``time`` in seconds since the epoch.

    ``attributes`` is what was to be kept with it, None for nothing.
    """

    stream: Stream
    time: float
    content: bytes
    attributes: dict[str, str] | None = None


class LogWriter(ABC):
    """Takes what one container prints."""

    @abstractmethod
    def write(self, stream: Stream, content: bytes, time: float) -> None:
        """Keep a chunk, which may hold several lines or part of one. Never waits for a reader."""

    @abstractmethod
    def close(self) -> None:
        """Keep what is unfinished and let go."""


class LogDriver(ABC):
    """A keeper of logs. All methods raise InvalidInput on an option they do not know."""

    def check(self, options: Mapping[str, str]) -> None:  # noqa: B027  # a driver may leave it to ``open``
        """Refuse what ``open`` would refuse, when a container is created."""

    @abstractmethod
    def open(
        self, where: str, container: str, options: Mapping[str, str], attributes: Mapping[str, str] = NOTHING
    ) -> LogWriter:
        """Open the log of the container with this id for writing, continuing after what is there.

        ``attributes`` are to be kept with every line, for ``read`` to tell, by drivers that have a place for them.
        """

    @abstractmethod
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
        """Yield entries in order, from ``since`` up to ``until`` (0: open), only the last ``tail`` (-1: all).

        With ``follow``, go on waiting for more while it returns True and drain what is left when it turns
        False. Raises Unsupported when this driver cannot be read.
        """
