"""Run containers on networks of one's own, and see how fast they send."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engines import IMAGE, Engine, timed

MEGABYTES = 2000
"""How much is sent each time, of 2^20 bytes each."""
_CHUNK = 1 << 20


@contextmanager
def run_network(engine: Engine) -> Iterator[Callable[[], float]]:
    """run --rm --net NAME."""
    network = f"sampan-bench-{os.getpid()}"
    engine("network", "create", network)
    try:
        yield lambda: timed(lambda: engine("run", "--rm", "--net", network, IMAGE, "/bin/true"))
    finally:
        engine("network", "rm", network)


@contextmanager
def throughput(engine: Engine) -> Iterator[Callable[[], float]]:
    """container to host."""
    container = engine("run", "-d", IMAGE, "sleep", "1000")
    try:
        gateway = engine("inspect", "--format", "{{.NetworkSettings.Gateway}}", container)
        with socket.create_server((gateway, 0)) as server:
            port = server.getsockname()[1]
            # nc leaves its connection to dd, which writes a megabyte at a time.
            send = ("nc", gateway, str(port), "-e", "dd", "if=/dev/zero", "bs=1M", f"count={MEGABYTES}")
            yield lambda: _received(server, lambda: engine("exec", container, *send))
    finally:
        engine("rm", "-f", container)


def _received(server: socket.socket, send: Callable[[], object]) -> float:
    """Return the seconds from a connection's first byte to its last."""
    sender = threading.Thread(target=send)
    sender.start()
    connection, _ = server.accept()
    buffer, received = bytearray(_CHUNK), 0
    with connection:
        begun = time.perf_counter()
        while got := connection.recv_into(buffer):
            received += got
        seconds = time.perf_counter() - begun
    sender.join()
    if received != MEGABYTES * _CHUNK:
        raise SystemExit(f"{received} bytes arrived instead of {MEGABYTES * _CHUNK}")
    return seconds


BENCHMARKS = {"run-network": run_network, "throughput": throughput}
SENT = {"throughput": MEGABYTES * _CHUNK}
"""How many bytes a benchmark is about, where its speed is what matters."""
