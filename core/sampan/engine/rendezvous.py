"""Meet at a Unix socket, however long the path to it is."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_BACKLOG = 64


def listen(path: str) -> socket.socket:
    """Return a socket that listens at ``path``, in place of whatever was there, and never waits."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _near(path) as name:
            try:
                os.unlink(name)
            except FileNotFoundError:
                pass
            listener.bind(name)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: str) -> socket.socket:
    """Return a socket connected to the one that listens at ``path``. Raises OSError when none does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _near(path) as name:
            connection.connect(name)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _near(path: str) -> Iterator[str]:
    """Name a file through its directory's descriptor: an address has room for 107 bytes (unix(7)), a path for more."""
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
