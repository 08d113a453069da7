"""Hand a blob to whoever unpacks it while it is still being written."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

_ENDED = 1 << 32
_SECONDS_BETWEEN_TELLS = 0.1


class Source:
    """A blob on its way, or here. Written by one thread; others open it and wait for its end."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._file = -1
        self._complete = False
        self._failed = False
        self._readers: list[int] = []

    def begin(self, descriptor: int) -> None:
        """Say that what is written so far can be read from this descriptor, which stays the caller's."""
        with self._changed:
            self._file = os.dup(descriptor)
            self._changed.notify_all()

    def grew(self) -> None:
        """Tell the readers that there is more."""
        with self._changed:
            for reader in self._readers:
                os.eventfd_write(reader, 1)

    def complete(self) -> None:
        """Say that the blob is whole and was checked."""
        self._end(failed=False)

    def fail(self) -> None:
        """Say that there will be no more; nothing to do when it is complete."""
        if not self._complete:
            self._end(failed=True)

    def _end(self, *, failed: bool) -> None:
        with self._changed:
            self._complete, self._failed = not failed, failed
            for reader in self._readers:
                os.eventfd_write(reader, _ENDED)
            self._changed.notify_all()

    def wait(self) -> bool:
        """Wait for the end; tell whether it is a whole blob."""
        with self._changed:
            self._changed.wait_for(lambda: self._complete or self._failed)
            return self._complete

    @contextmanager
    def opened(self) -> Iterator[tuple[int, int] | None]:
        """Wait until there is something; yield a file to read and an eventfd for Growing, None after a failure."""
        descriptors = self._open()
        try:
            yield descriptors
        finally:
            if descriptors:
                self._close(*descriptors)

    def _open(self) -> tuple[int, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._file >= 0 or self._failed)
            if self._failed:
                return None
            # Opened anew: a descriptor passed on would share its position with every other reader.
            file = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)
            # Not a pipe: its end may stay open in a process that another thread forks, and the reader would wait on.
            more = os.eventfd(0, os.EFD_CLOEXEC)
            if self._complete:
                os.eventfd_write(more, _ENDED)
            self._readers.append(more)
            return file, more

    def _close(self, file: int, more: int) -> None:
        with self._changed:
            self._readers.remove(more)
        os.close(file)
        os.close(more)

    def close(self) -> None:
        """Let go of the file."""
        self.fail()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Growing(io.RawIOBase):
    """Reads a file that grows until the eventfd ``more`` says it has ended."""

    def __init__(self, file: int, more: int, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._file = file
        self._more = more
        self._growing = True
        self._position = 0
        self._tell = tell
        self._told = time.monotonic()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        """Read what there is, waiting while there is nothing and the file still grows."""
        while True:
            # Asked before reading: what was written between the last read and the end must not be missed.
            growing = self._growing
            size = os.readv(self._file, [buffer])
            if size or not growing:
                break
            self._growing = os.eventfd_read(self._more) < _ENDED
        self._position += size
        if time.monotonic() - self._told > _SECONDS_BETWEEN_TELLS:
            self._told = time.monotonic()
            self._tell(self._position)
        return size
