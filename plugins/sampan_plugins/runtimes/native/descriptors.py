"""Hold descriptors that must be closed, each exactly once."""

from __future__ import annotations

import os

from sampan.errors import InvalidInput
from sampan.kernel import processes
from sampan_plugins.runtimes.native.state import State


class Descriptors:
    """A context that closes what was opened through it and is still open at its end."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(*self._open)

    def add(self, fd: int) -> int:
        """Take over a descriptor."""
        self._open.add(fd)
        return fd

    def close(self, *fds: int | None) -> None:
        """Close some now."""
        for fd in fds:
            if fd is not None:
                self._open.discard(fd)
                os.close(fd)

    def pipe(self) -> tuple[int, int]:
        """Return the ends of a new pipe, reading one first."""
        read, write = os.pipe()
        return self.add(read), self.add(write)

    def socket_pair(self) -> tuple[int, int]:
        """Return the ends of a new socket, for passing descriptors."""
        import socket

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return self.add(ours.detach()), self.add(theirs.detach())

    def fifo(self, path: str) -> int:
        """Make a fifo and open it both ways, so that neither opening nor a reader that comes and goes matters."""
        os.mkfifo(path, 0o600)
        return self.add(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def open(self, path: str) -> int:
        """Open a namespace's file. Raises InvalidInput when it does not exist."""
        try:
            return self.add(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise InvalidInput(f"cannot join the namespace at {path}: {(error.strerror or '').lower()}") from error

    def process(self, state: State) -> int:
        """Open a pidfd of a container's first process. Raises NotFound when it is gone."""
        return self.add(processes.open_handle(state.pid, state.start))
