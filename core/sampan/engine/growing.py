"""Hand a layer to whoever unpacks it in another process: as a blob that is still being written, or as it is made."""

from __future__ import annotations

import fcntl
import io
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from sampan.engine.team import Stopped

_ENDED = 1 << 32
_SECONDS_BETWEEN_TELLS = 0.1
_PIPE_SIZE = 1 << 20


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


class Stream:
    """A pipe for one writer. ``reader`` and ``more`` are for Growing: the eventfd tells the end, not the pipe's own.

    A context manager, which nobody may be using any more when it is left.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.more = os.eventfd(0, os.EFD_CLOEXEC)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._stopped = False
        try:
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        except PermissionError:
            pass  # the user has used up what pipes may hold: a small one does

    def write(self, content: bytes | memoryview) -> None:
        """Pass on all of it. Raises Stopped once ``stop`` was called."""
        view = memoryview(content)
        while view:
            if self._stopped:
                raise Stopped
            try:
                view = view[os.write(self._writer, view) :]
            except BlockingIOError:
                select.select([self._stop], [self._writer], [])
            else:
                os.eventfd_write(self.more, 1)

    def end(self) -> None:
        """Say that there is no more."""
        os.eventfd_write(self.more, _ENDED)

    def stop(self) -> None:
        """Wake a writer whose reader reads no more; one that is elsewhere will not touch the pipe again."""
        self._stopped = True
        os.eventfd_write(self._stop, 1)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self.reader, self._writer, self.more, self._stop):
            os.close(descriptor)


class Growing(io.RawIOBase):
    """Reads a file that grows, or a non-blocking pipe, until the eventfd ``more`` says it has ended."""

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
            try:
                size = os.readv(self._file, [buffer])
            except BlockingIOError:
                size = 0
            if size or not growing:
                break
            self._growing = os.eventfd_read(self._more) < _ENDED
        self._position += size
        if time.monotonic() - self._told > _SECONDS_BETWEEN_TELLS:
            self._told = time.monotonic()
            self._tell(self._position)
        return size
