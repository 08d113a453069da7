"""Fetch blobs side by side into the store, each checked as it streams and readable while it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event as Flag
from typing import TYPE_CHECKING

from sampan.engine.growing import Source
from sampan.engine.progress import Event
from sampan.engine.team import Events, Stopped
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest, encoded
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.contracts.origin import Origin
    from sampan.store.store import Store

_SECONDS_BETWEEN_REPORTS = 0.1


class Downloads:
    """The blobs of one image on their way. ``work`` is for several threads; each blob is fetched by one of them."""

    def __init__(self, store: Store, origin: Origin, blobs: list[Descriptor], events: Events) -> None:
        self._store = store
        self._origin = origin
        self._events = events
        self._stopped = Flag()
        self.sources: dict[Digest, Source] = {blob.digest: Source() for blob in blobs}
        self._waiting: Iterator[Descriptor] = iter({blob.digest: blob for blob in blobs}.values())

    def work(self) -> None:
        """Fetch one blob after the other until none is left."""
        while not self._stopped.is_set() and (blob := next(self._waiting, None)) is not None:
            source = self.sources[blob.digest]
            try:
                self._fetch(blob, source)
                source.complete()
            finally:
                source.fail()

    def stop(self) -> None:
        """Give up on all of it; nothing is stored from now on."""
        self._stopped.set()
        for source in self.sources.values():
            source.fail()

    def close(self) -> None:
        """Let go of every file."""
        for source in self.sources.values():
            source.close()

    def _fetch(self, blob: Descriptor, source: Source) -> None:
        # Under the blob's lock, so that of several commands that want it one fetches it and the others find it.
        with locks.exclusive(self._store.layout, blob.digest):
            if not self._store.blobs.has(blob.digest):
                self._download(blob, source)
                return
        with self._store.blobs.open(blob.digest) as file:
            source.begin(file.fileno())

    def _download(self, blob: Descriptor, source: Source) -> None:
        name = encoded(blob.digest)[:12]
        done, told = 0, time.monotonic()
        with self._store.blobs.receive(blob) as incoming, self._origin.blob(blob) as chunks:
            source.begin(incoming.fileno())
            for chunk in chunks:
                if self._stopped.is_set():
                    raise Stopped
                incoming.write(chunk)
                source.grew()
                done += len(chunk)
                if time.monotonic() - told > _SECONDS_BETWEEN_REPORTS:
                    told = time.monotonic()
                    self._events.put(Event(name, "Downloading", done, blob.size))
            self._events.put(Event(name, "Verifying Checksum"))
            if self._stopped.is_set():
                raise Stopped
            incoming.finish()
        self._events.put(Event(name, "Download complete"))
