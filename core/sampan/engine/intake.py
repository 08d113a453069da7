"""Take in a layer that is made here: keep it as a compressed blob, and unpack it meanwhile."""

from __future__ import annotations

import hashlib
import io
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from sampan.engine import team
from sampan.engine.extractor import Extracted, Extractor, Job
from sampan.engine.growing import Stream
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events
from sampan.layers import compression
from sampan.model import descriptor as types
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.digest import of as digest_of
from sampan.store import locks
from sampan.store.layers import Layer

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation

_CHUNK = 1 << 20
_SECONDS_BETWEEN_REPORTS = 0.1


class Taken(msgspec.Struct, frozen=True):
    """A layer that is here. ``size`` in bytes of content; ``chain`` stands for it and all below it."""

    blob: Descriptor
    diff_id: Digest
    chain: Digest
    size: int


class Intake:
    """One layer on its way into the store, on top of the chain ``parent``; ``action`` is what reports call it."""

    def __init__(
        self, engine: Engine, operation: Operation, driver: str, parent: Digest | None, action: str, report: Report
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._operation = operation
        self._driver = driver
        self._parent = parent
        self._action = action
        self._report = report
        self._key = f"{operation.id}-0"

    def take(self, layer: BinaryIO) -> Taken:
        """Read an uncompressed layer tar to its end. Raises Corrupt when it makes no sense, and OutOfSpace."""
        return self.make(lambda out: shutil.copyfileobj(layer, out, _CHUNK))

    def make(self, write: Callable[[BinaryIO], object]) -> Taken:
        """Have a layer tar written, in a thread, to where it is kept and unpacked. Raises what ``take`` raises."""
        self._operation.plan("snapshots", self._driver, self._key)
        extractor, events = Extractor(self._engine), Events()
        blobs: list[Descriptor] = []
        found: list[Extracted] = []
        job = Job(self._driver, self._key, self._parent, compressed=False)
        with Stream() as stream:

            def stop() -> None:
                stream.stop()
                extractor.kill()

            try:
                team.run(
                    [lambda: blobs.append(self._keep(write, stream, events)),
                     lambda: found.append(extractor.extract(job, stream.reader, stream.more, lambda position: None))],
                    events, self._report, stop,
                )
            finally:
                extractor.close()
        return self._commit(blobs[0], found[0])

    def _keep(self, write: Callable[[BinaryIO], object], stream: Stream, events: Events) -> Descriptor:
        with self._store.blobs.temporary() as (file, path):
            sink = _Sink(stream, file, lambda size: events.put(Event("", self._action, size)))
            write(cast(BinaryIO, sink))
            digest, size = sink.finish()
            self._operation.plan("blobs", digest)
            self._operation.lease([digest])
            self._store.blobs.adopt(path, digest)
        return Descriptor(types.OCI_LAYER_GZIP, digest, size)

    def _commit(self, blob: Descriptor, extracted: Extracted) -> Taken:
        diff_id, store = extracted.diff_id, self._store
        chain = digest_of(f"{self._parent} {diff_id}".encode()) if self._parent else diff_id
        self._operation.lease([chain])
        self._operation.plan("chains", self._driver, chain)
        driver = self._engine.storage(self._driver)
        taken = Taken(blob, diff_id, chain, extracted.size)
        with locks.exclusive(self._engine.layout, f"chain-{chain}"):
            if store.layers.get(self._driver, chain) is not None:
                driver.remove(self._key)
                return taken
            driver.remove(chain)  # what a killed removal left: no record tells of it
            driver.commit(self._key, chain)
            with store.database.transaction() as cursor:
                store.layers.add(cursor, Layer(self._driver, chain, self._parent, diff_id, extracted.size))
        return taken


class _Sink(io.RawIOBase):
    """Passes a layer on to be unpacked, and keeps it compressed."""

    def __init__(self, stream: Stream, file: BinaryIO, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._stream = stream
        self._file = file
        self._tell = tell
        self._compressor = compression.compressor()
        self._hasher = hashlib.sha256()
        self._taken = 0
        self._kept = 0
        self._told = time.monotonic()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, content: bytes | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        """Take all of it."""
        self._stream.write(content)
        self._store(self._compressor.compress(content))
        self._taken += len(content)
        if time.monotonic() - self._told > _SECONDS_BETWEEN_REPORTS:
            self._told = time.monotonic()
            self._tell(self._taken)
        return len(content)

    def finish(self) -> tuple[Digest, int]:
        """End the layer; return digest and size of what is kept."""
        self._stream.end()
        self._store(self._compressor.flush())
        self._file.flush()
        return Digest("sha256:" + self._hasher.hexdigest()), self._kept

    def _store(self, content: bytes) -> None:
        self._hasher.update(content)
        self._file.write(content)
        self._kept += len(content)
