"""Wait until something in a directory changes (inotify(7))."""

from __future__ import annotations

import os
import select

from sampan.kernel import libc

_MODIFY = 0x002
_MOVED_TO = 0x080
_CREATE = 0x100
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK


class Watch:
    """Wakes whoever waits when a file directly in ``directory`` is written, made or put there. A context manager."""

    def __init__(self, directory: str) -> None:
        self._descriptor = libc.syscall("inotify_init1", _FLAGS)
        try:
            libc.syscall(
                "inotify_add_watch", self._descriptor, os.fsencode(directory), _MODIFY | _MOVED_TO | _CREATE,
                what=directory,
            )
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a change since the last call, at most so long; tell whether there was one."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return False
        try:
            while os.read(self._descriptor, 1 << 16):
                pass
        except BlockingIOError:
            pass
        return True

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
