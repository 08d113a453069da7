"""Set a directory's inode flags (ioctl_iflags(2))."""

from __future__ import annotations

import fcntl
import os
import struct

_GET, _SET = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
_TOP = 0x00020000  # FS_TOPDIR_FL
_LONG = struct.Struct("l")


def spread(directory: str) -> None:
    """Ask the file system to put what is made in ``directory`` far apart (chattr(1), attribute T).

    ext4 puts a subdirectory, and then its files, next to its siblings. Where those come and go by the thousand, as
    layers do, a new one's files would be looked for a place among the removed ones' over and over. Where the file
    system knows of no such thing, nothing happens.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        (flags,) = _LONG.unpack(fcntl.ioctl(fd, _GET, bytes(_LONG.size)))
        fcntl.ioctl(fd, _SET, _LONG.pack(flags | _TOP))
    except OSError:
        return  # a hint was all it was
    finally:
        os.close(fd)
