"""Unpack layers in worker processes, apart from the command's interpreter lock, memory and mounts.

A worker holds no part of the store. It extracts one layer after the other into active snapshots, as it is told over a
socket, and says what it found; committing and recording are its parent's, with which it dies.
"""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from sampan.engine import wire
from sampan.engine.growing import Growing
from sampan.errors import SampanError
from sampan.model.digest import Digest

if TYPE_CHECKING:
    from sampan.contracts.storage import StorageDriver
    from sampan.engine.engine import Engine

_LARGEST_MESSAGE = 1 << 16
_CHUNK = 1 << 18
_SECONDS_BETWEEN_LOOKS = 2.0
_KILLED = "a worker that unpacks layers was killed"


class Job(msgspec.Struct, frozen=True):
    """One layer to extract into the snapshot ``key`` of a driver; ``compressed`` unless known to be a plain tar."""

    driver: str
    key: str
    parent: str | None
    compressed: bool = True


class Extracted(msgspec.Struct, frozen=True, tag="extracted"):
    """What came of a job: bytes of content, and the digest of the uncompressed layer."""

    size: int
    diff_id: Digest


class Reached(msgspec.Struct, frozen=True, tag="reached"):
    """How many bytes of the layer's file have been read."""

    position: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The job's error, as ``wire.failure`` writes it."""

    error: bytes


_decode_answer = msgspec.json.Decoder(Extracted | Reached | Failed).decode
_decode_job = msgspec.json.Decoder(Job).decode


class Extractor:
    """A worker process. To be made before the caller starts threads."""

    def __init__(self, engine: Engine) -> None:
        # Imported once, here: a child must not wait for an import that another of our threads was in the middle of.
        from sampan import naive
        from sampan.kernel import capabilities, libc, mount, namespaces, processes
        from sampan.layers import compression

        capabilities.require_admin("unpack layers")
        del naive, libc, mount, namespaces, processes, compression
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _serve(engine, theirs, parent)
        theirs.close()
        self._channel.settimeout(_SECONDS_BETWEEN_LOOKS)

    def extract(self, job: Job, file: int, more: int, tell: Callable[[int], None]) -> Extracted:
        """Extract a layer from a file that may still grow (see Growing); ``tell`` hears how far it is.

        Raises what the storage driver raises, and Corrupt for content that makes no sense.
        """
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(job)], [file, more])
            while answer := self._receive():
                match _decode_answer(answer):
                    case Extracted() as extracted:
                        return extracted
                    case Reached(position):
                        tell(position)
                    case Failed(error):
                        raise wire.error(error)
        except OSError as error:
            raise SampanError(_KILLED) from error
        raise SampanError(_KILLED)

    def _receive(self) -> bytes:
        """Return the worker's next message; empty when it is dead."""
        while True:
            try:
                return self._channel.recv(_LARGEST_MESSAGE)
            except TimeoutError:
                # Its end of the channel may live on in a process that another thread forked just then.
                if not self._pid or os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    return b""

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            # Wakes a thread that waits in ``extract``; closing would leave it waiting on a number.
            self._channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the process and let go of the channel, which nobody may be using any more."""
        self.kill()
        self._channel.close()


def _serve(engine: Engine, channel: socket.socket, parent: int) -> None:
    try:
        _prepare(parent)
        drivers: dict[str, StorageDriver] = {}
        while True:
            message, descriptors, _, _ = socket.recv_fds(channel, _LARGEST_MESSAGE, 2)
            if not message:
                break
            job = _decode_job(message)
            answer: Extracted | Failed
            try:
                # Drivers of its own: the parent's, like its store, must not be used on this side of the fork.
                if job.driver not in drivers:
                    drivers[job.driver] = engine.plugins.open_storage(job.driver, engine.layout.storage(job.driver))
                answer = _extract(drivers[job.driver], job, channel, descriptors)
            except Exception as error:
                answer = Failed(wire.failure(engine.plugins.fault(error) or error))
            for descriptor in descriptors:
                os.close(descriptor)
            channel.send(msgspec.json.encode(answer))
    except OSError:
        pass  # the parent is gone
    finally:
        os._exit(0)


def _prepare(parent: int) -> None:
    from sampan.kernel import libc, mount, namespaces, processes

    processes.die_with_parent()
    if os.getppid() != parent:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's goes to every process; the parent decides
    # Whatever is mounted to extract into disappears with the worker.
    namespaces.create(namespaces.flag("mount"))
    libc.mount(None, "/", None, mount.REC | mount.PRIVATE)


def _extract(driver: StorageDriver, job: Job, channel: socket.socket, descriptors: list[int]) -> Extracted:
    from sampan.layers import compression

    def tell(position: int) -> None:
        channel.send(msgspec.json.encode(Reached(position)))

    driver.prepare(job.key, job.parent)
    file = cast(BinaryIO, io.BufferedReader(Growing(descriptors[0], descriptors[1], tell), _CHUNK))
    hasher = hashlib.sha256()
    pieces = _hashed(compression.open_stream(file) if job.compressed else file, hasher)
    layer = cast(BinaryIO, compression.PieceStream(pieces))
    size = _apply(driver, job.key, layer)
    for _ in pieces:
        pass  # what follows the archive's end is part of the layer's digest too
    return Extracted(size, Digest("sha256:" + hasher.hexdigest()))


def _apply(driver: StorageDriver, key: str, layer: BinaryIO) -> int:
    from sampan.contracts.storage import Applies

    if isinstance(driver, Applies):
        return driver.apply(key, layer)
    from sampan import naive

    return naive.apply(driver, key, layer)


def _hashed(source: BinaryIO, hasher: hashlib._Hash) -> Iterator[bytes]:
    read: Callable[[int], bytes] = source.read1  # type: ignore[attr-defined]  # both readers have it, BinaryIO not
    while piece := read(_CHUNK):
        hasher.update(piece)
        yield piece
