"""Bring up the loopback interface of the caller's network namespace (netdevice(7))."""

from __future__ import annotations

import ctypes
import fcntl
import os

from sampan.kernel import libc

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_AF_INET, _SOCK_DGRAM = 2, 2


def bring_up() -> None:
    """Set ``lo`` up; the kernel gives it 127.0.0.1 and ::1. Raises OSError."""
    # Not the socket module: this runs in a process that must not import, and the module is not light.
    fd = libc.socket(_AF_INET, _SOCK_DGRAM | os.O_CLOEXEC)
    try:
        request = bytearray(b"lo".ljust(40, b"\0"))
        fcntl.ioctl(fd, _SIOCGIFFLAGS, request)
        flags = ctypes.c_short.from_buffer(request, 16)
        if not flags.value & _IFF_UP:
            flags.value |= _IFF_UP
            fcntl.ioctl(fd, _SIOCSIFFLAGS, bytes(request))
    finally:
        os.close(fd)
