"""Keep some space in reserve, so that on a full disk records can still be written and failed attempts undone.

SQLite writes before it removes, and maps a file that it cannot grow on a full disk at all: removing an image from one
would fail for want of a few kilobytes. A file of no use holds them until then. It goes when little else is left, and
comes back once there is plenty.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from sampan.errors import OutOfSpace
from sampan.store.layout import Layout

_SIZE: Final = 1 << 20  # bytes: far more than the log of any one command's records
_LEAST: Final = 1 << 18  # what must be free for commands to begin
_PLENTY: Final = 8 << 20

_NO_RESERVES: Final = frozenset((errno.EROFS, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL))


def ensure(layout: Layout) -> None:
    """Make sure that there is room for records, from the reserve if need be. Raises OutOfSpace when that is spent."""
    free = _free(layout.root)
    if free >= _PLENTY:
        if not os.path.exists(layout.reserve):
            _set_aside(layout.reserve, _SIZE)
    elif free < _LEAST:
        release(layout)
        # Tried rather than computed: root may use more than is said to be free, or less.
        if _free(layout.root) < _LEAST:
            there_is = _set_aside(layout.reserve, _LEAST)
            release(layout)
            if not there_is:
                raise OutOfSpace(f"no space left on the file system of {layout.root}")


def release(layout: Layout) -> None:
    """Give up the reserve if there is little else: what follows makes room, or is the last that can be recorded."""
    if _free(layout.root) >= _SIZE:
        return
    try:
        os.unlink(layout.reserve)
    except FileNotFoundError:
        return


def _free(path: str) -> int:
    status = os.statvfs(path)
    return status.f_frsize * status.f_bavail


def _set_aside(path: str, size: int) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return False
        if error.errno not in _NO_RESERVES:
            raise
    return True
