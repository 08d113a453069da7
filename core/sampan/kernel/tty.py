"""Make and handle terminals (pty(7), ioctl_tty(2))."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.errors import Unsupported

_TIOCSPTLCK, _TIOCGPTPEER, _TIOCSCTTY = 0x40045431, 0x5441, 0x540E
_TIOCSWINSZ, _TIOCGWINSZ = 0x5414, 0x5413
_PTMX = (5, 2)


def open_pair(ptmx: int) -> tuple[int, int]:
    """Return master and slave of a new terminal of the devpts that ``ptmx``, an O_PATH descriptor, belongs to.

    The slave is had from the master itself (TIOCGPTPEER), never by name. Both are closed on exec.
    Raises Unsupported when ``ptmx`` is not a terminal multiplexer.
    """
    info = os.fstat(ptmx)
    if not stat.S_ISCHR(info.st_mode) or (os.major(info.st_rdev), os.minor(info.st_rdev)) != _PTMX:
        raise Unsupported("the container has no /dev/pts/ptmx", "mount devpts at /dev/pts")
    master = os.open(f"/proc/self/fd/{ptmx}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return _unlocked(master)


def open_pair_at(path: str) -> tuple[int, int]:
    """Return master and slave of a new terminal of the multiplexer at ``path``."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC)
    info = os.fstat(fd)
    if (os.major(info.st_rdev), os.minor(info.st_rdev)) != _PTMX:
        os.close(fd)
        raise Unsupported(f"{path} is not a terminal multiplexer", "mount devpts at /dev/pts")
    return _unlocked(fd)


def _unlocked(master: int) -> tuple[int, int]:
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except BaseException:
        os.close(master)
        raise
    return master, slave


def control(slave: int) -> None:
    """Make the terminal the controlling one of the caller, which leads a session without one."""
    fcntl.ioctl(slave, _TIOCSCTTY, 0)


def resize(fd: int, height: int, width: int) -> None:
    """Set a terminal's size in characters; its foreground processes get SIGWINCH."""
    fcntl.ioctl(fd, _TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def size(fd: int) -> tuple[int, int]:
    """Return a terminal's height and width in characters. Raises OSError when ``fd`` is no terminal."""
    height, width, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, _TIOCGWINSZ, bytes(8)))
    return height, width


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Pass every character through as it is typed, and put the terminal's settings back at the end."""
    import termios
    import tty

    saved = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSADRAIN)  # what is typed already is kept
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, saved)
