"""Wait until a container is to be started again, or its user calls that off."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable

from sampan.engine import rendezvous


def recess(where: str, seconds: float, called_off: Callable[[], bool]) -> tuple[bool, list[socket.socket]]:
    """Wait in a bundle's place, where clients find a monitor; return whether to go on, and those who came.

    Whoever wants the container to stay ended records that first and comes then, which is when ``called_off`` is asked.
    """
    os.makedirs(where, mode=0o700, exist_ok=True)
    clients: list[socket.socket] = []
    deadline = time.monotonic() + seconds
    with rendezvous.listen(f"{where}/attach.sock") as listener:
        while not called_off():
            left = deadline - time.monotonic()
            if left <= 0:
                return True, clients
            if select.select([listener], [], [], left)[0]:
                clients.append(listener.accept()[0])
    return False, clients
