"""Put the caller's terminal in order for a container's: raw mode, its size, and the keys that detach from it."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sampan.errors import InvalidInput

_CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def require_terminal(*, interactive: bool, tty: bool) -> None:
    """Raise InvalidInput, exit code 1, when ``-i -t`` is asked for and standard input is no terminal."""
    if interactive and tty and not is_terminal(0):
        error = InvalidInput("the input device is not a TTY")
        error.exit_code = 1
        raise error


def complete_streams() -> None:
    """Open /dev/null in place of each standard stream that the caller closed.

    Else the next file opened, the database say, would be taken for it. To be called before anything is opened.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115  # for the life of the process


def is_terminal(descriptor: int) -> bool:
    """Tell whether a descriptor, which may be closed, is a terminal."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def size() -> tuple[int, int] | None:
    """Return height and width in characters of the terminal the caller sees, or None without one."""
    for descriptor in (1, 0, 2):
        try:
            packed = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            continue
        height, width = struct.unpack("HHHH", packed)[:2]
        if height and width:
            return height, width
    return None


def set_size(descriptor: int, height: int, width: int) -> None:
    """Tell a terminal, by its master, its size in characters."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@contextmanager
def raw(descriptor: int = 0) -> Iterator[None]:
    """Hand every key through unchanged while inside; do nothing to what is no terminal."""
    if not is_terminal(descriptor):
        yield
        return
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        yield
    finally:
        # At once, not after what is still to be printed: a stopped terminal would never take that.
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask whoever is at the terminal; return the line, stripped. A ``hidden`` answer is not shown as it is typed."""
    # Hidden first, then asked: a fast answer must not be seen either.
    with _hidden() if hidden else nullcontext(), open(0, errors="surrogateescape", closefd=False) as lines:
        sys.stdout.write(question)
        sys.stdout.flush()
        return lines.readline().strip()


@contextmanager
def _hidden() -> Iterator[None]:
    before = termios.tcgetattr(0)
    silent = termios.tcgetattr(0)
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(0, termios.TCSADRAIN, silent)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.write("\n")
        sys.stdout.flush()


def parse_detach_keys(text: str) -> bytes:
    """Return the bytes of keys such as ``ctrl-p,ctrl-q`` or ``a,b``; empty: none. Raises InvalidInput."""
    keys = bytearray()
    for word in text.split(",") if text else ():
        control = word.removeprefix("ctrl-").lower()
        if len(word) == 1 and word.isascii():
            keys += word.encode()
        elif word.startswith("ctrl-") and len(control) == 1 and control in _CONTROLS:
            keys.append(_CONTROLS.index(control))
        else:
            raise InvalidInput(
                f"Invalid detach keys ({text}) provided", "letters and ctrl-LETTER, with commas between them"
            )
    return bytes(keys)


class DetachKeys:
    """Watches what is typed for the detach keys. Part of them is held back until it shows what it is."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""
        self.typed = False

    def filter(self, content: bytes) -> bytes:
        """Return what may be passed on; ``typed`` tells whether the keys were among it."""
        if not self._keys:
            return content
        content = self._held + content
        self._held = b""
        place = content.find(self._keys)
        if place >= 0:
            self.typed = True
            return content[:place]
        for length in range(min(len(self._keys) - 1, len(content)), 0, -1):
            if self._keys.startswith(content[-length:]):
                self._held = content[-length:]
                return content[:-length]
        return content
