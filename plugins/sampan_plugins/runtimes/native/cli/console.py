"""Hand a terminal's master to whoever asked for it (runc's --console-socket)."""

from __future__ import annotations

import os
import socket

from sampan.errors import InvalidInput

_NAME = b"/dev/ptmx"


class Console:
    """A connection to a listening Unix socket, made before the container is, so that a wrong one fails early."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise InvalidInput(f"cannot connect to the console socket {path}: {(error.strerror or '').lower()}"
                               ) from error

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, master: int) -> None:
        """Send the master, and close it here."""
        try:
            socket.send_fds(self._socket, [_NAME], [master])
        finally:
            os.close(master)
