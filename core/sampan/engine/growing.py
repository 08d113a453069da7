"""Hand a blob to whoever unpacks it while it is still being written."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

_NOTE = b"\0"
_NOTES = 4096
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
                try:
                    os.write(reader, _NOTE)
                except BlockingIOError:
                    pass  # it has notes enough to look again
                except BrokenPipeError:
                    pass  # it has failed, and whoever started it knows

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
                os.close(reader)
            self._readers.clear()
            self._changed.notify_all()

    def wait(self) -> bool:
        """Wait for the end; tell whether it is a whole blob."""
        with self._changed:
            self._changed.wait_for(lambda: self._complete or self._failed)
            return self._complete

    @contextmanager
    def opened(self) -> Iterator[tuple[int, int] | None]:
        """Wait until there is something; yield a file to read and a pipe that tells of more, None after a failure.

        The pipe ends when there will be no more.
        """
        descriptors = self._open()
        try:
            yield descriptors
        finally:
            for descriptor in descriptors or ():
                os.close(descriptor)

    def _open(self) -> tuple[int, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._file >= 0 or self._failed)
            if self._failed:
                return None
            # Opened anew: a descriptor passed on would share its position with every other reader.
            file = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)
            more, writer = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(writer, False)
            if self._complete:
                os.close(writer)
            else:
                self._readers.append(writer)
            return file, more

    def close(self) -> None:
        """Let go of the file."""
        self.fail()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Growing(io.RawIOBase):
    """Reads a file that grows to its end: to where it ends once the pipe ``more`` does (-1: it grows no more)."""

    def __init__(self, file: int, more: int, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._file = file
        self._more = more
        self._growing = more >= 0
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
            self._growing = os.read(self._more, _NOTES) != b""
        self._position += size
        if time.monotonic() - self._told > _SECONDS_BETWEEN_TELLS:
            self._told = time.monotonic()
            self._tell(self._position)
        return size
