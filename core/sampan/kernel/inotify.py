"""Wait until something in a directory changes (inotify(7))."""

from __future__ import annotations

import os
import select

from sampan.kernel import libc

_MODIFY = 0x002
_MOVED_TO = 0x080
_CREATE = 0x100
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK


def watch(path: str) -> int:
    """Return a descriptor that can be read when a file, or one directly in a directory, changes. Raises OSError."""
    descriptor = libc.syscall("inotify_init1", _FLAGS)
    try:
        libc.syscall("inotify_add_watch", descriptor, os.fsencode(path), _MODIFY | _MOVED_TO | _CREATE, what=path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def drain(descriptor: int) -> None:
    """Read all that there is at such a descriptor."""
    try:
        while os.read(descriptor, 1 << 16):
            pass
    except BlockingIOError:
        pass


class Watch:
    """Wakes whoever waits when a file directly in ``directory`` is written, made or put there. A context manager."""

    def __init__(self, directory: str) -> None:
        self._descriptor = watch(directory)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a change since the last call, at most so long; tell whether there was one."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return False
        drain(self._descriptor)
        return True

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
