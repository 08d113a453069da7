"""Receive a terminal's master from a runtime (runc's --console-socket)."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from sampan.errors import Unavailable

_PATIENCE = 10.0


class ConsoleSocket:
    """A listening socket in a directory of its own, short enough for a socket's name."""

    def __enter__(self) -> ConsoleSocket:
        self._directory = tempfile.mkdtemp(prefix="sampan-")
        self.path = f"{self._directory}/console"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.path)
        self._socket.listen(1)
        self._socket.settimeout(_PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def receive(self) -> int:
        """Return the master. Raises Unavailable when none comes."""
        try:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(_PATIENCE)
                _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        except TimeoutError as error:
            raise Unavailable("the OCI runtime sent no terminal") from error
        if not fds:
            raise Unavailable("the OCI runtime sent no terminal")
        os.set_inheritable(fds[0], False)
        return fds[0]
