"""Send an image's blobs side by side, each once, and none that the registry has already."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event as Flag
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from sampan.engine import team
from sampan.engine.progress import Event, Report
from sampan.engine.team import Events, Stopped
from sampan.model.descriptor import Descriptor
from sampan.model.digest import encoded

if TYPE_CHECKING:
    from sampan.contracts.registry import Pushes
    from sampan.model.image import ImageConfig, Manifest
    from sampan.model.reference import Reference
    from sampan.store.store import Store

_UPLOADS = 5  # at once, as Docker's
_SOURCES = 3  # repositories asked to take a blob over from
_SECONDS_BETWEEN_REPORTS = 0.1


class _Task(msgspec.Struct, frozen=True):
    """A blob to send; ``name`` is what reports call it, empty for one they pass over."""

    blob: Descriptor
    name: str = ""


class Uploads:
    """The blobs of one image on their way to the repository of a reference."""

    def __init__(self, store: Store, registry: Pushes, reference: Reference, report: Report) -> None:
        self._store = store
        self._registry = registry
        self._reference = reference
        self._report = report
        self._events = Events()
        self._stopped = Flag()

    def send(self, manifest: Manifest, config: ImageConfig) -> None:
        """Send what is lacking of configuration and layers; the uppermost layer is the first, as Docker has it.

        Raises what the registry raises; what was sent until then stays there, and is not sent again the next time.
        """
        named = zip(manifest.layers, config.rootfs.diff_ids, strict=True)
        tasks = {blob.digest: _Task(blob, encoded(diff_id)[:12]) for blob, diff_id in named}
        layers = list(reversed(tasks.values()))
        for position, task in enumerate(layers):
            self._report(Event(task.name, "Preparing"))
            if position >= _UPLOADS:
                self._report(Event(task.name, "Waiting"))
        waiting = iter([*layers, _Task(manifest.config)])
        count = min(_UPLOADS, len(layers) + 1)
        team.run([lambda: self._work(waiting)] * count, self._events, self._report, self._stopped.set)

    def _work(self, waiting: Iterator[_Task]) -> None:
        while not self._stopped.is_set() and (task := next(waiting, None)) is not None:
            outcome = self._send(task)
            if task.name:
                self._events.put(Event(task.name, outcome))

    def _send(self, task: _Task) -> str:
        """Have the registry own a blob; return what came of it, in Docker's words."""
        blob, registry = task.blob, self._registry
        if blob.urls:
            return "Skipped foreign layer"  # whoever pulls gets it from there: it is not ours to distribute
        holders, own = self._store.images.holders(blob.digest, self._reference.domain), self._reference.path
        sources = [path for path in holders if path != own][:_SOURCES]
        # Where another repository is known to have it and this one is not, asking this one first would be in vain.
        likely = own in holders or not sources
        if likely and registry.has_blob(blob.digest):
            return "Layer already exists"
        for source in sources:
            if registry.mount_blob(blob.digest, source):
                return f"Mounted from {source}"
        if not likely and registry.has_blob(blob.digest):
            return "Layer already exists"
        with self._store.blobs.open(blob.digest) as file:
            registry.put_blob(blob, _Watched(file, task, self._events, self._stopped))
        return "Pushed"


class _Watched:
    """A blob's file that tells how far it has been read, and breaks off when all is given up."""

    def __init__(self, file: BinaryIO, task: _Task, events: Events, stopped: Flag) -> None:
        self._file = file
        self._task = task
        self._events = events
        self._stopped = stopped
        self._told = 0.0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        if self._stopped.is_set():
            raise Stopped
        content = self._file.read(size)
        if self._task.name and time.monotonic() - self._told > _SECONDS_BETWEEN_REPORTS:
            self._told = time.monotonic()
            self._events.put(Event(self._task.name, "Pushing", self._file.tell(), self._task.blob.size))
        return content

    def seek(self, offset: int, /) -> int:
        """Go to a place."""
        return self._file.seek(offset)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()
