"""Fetch images from where they are kept.

The story
---------
The engine opens a registry for one repository, asks what a tag or digest is, and fetches what it lacks::

    with plugins.open_registry(...) as registry:
        found = registry.manifest("18.04")                 # bytes as they came, with their type and digest
        with registry.blob(descriptor) as chunks: …        # several at once, from several threads

The engine checks every digest and size itself while it streams; a driver may, but need not. The driver
retries what is worth retrying, resumes a broken download where it stopped, and keeps credentials from
every host but the one they are for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType

import msgspec

from sampan.model.descriptor import Descriptor


class Fetched(msgspec.Struct, frozen=True):
    """A document and what it is. ``descriptor.digest`` is computed from ``content``."""

    descriptor: Descriptor
    content: bytes


class Registry(ABC):
    """One repository at one registry. Methods may be called from several threads at once.

    All raise NotFound (no such repository, tag or blob), Denied (credentials missing or refused), Unavailable
    (unreachable, or failing after retries) and Corrupt (a reply that makes no sense).
    """

    @abstractmethod
    def manifest(self, version: str) -> Fetched:
        """Return the manifest or index that a tag or digest names, as it came."""

    @abstractmethod
    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """Open a blob; inside the context, iterate over its bytes in chunks of any size."""

    @abstractmethod
    def tags(self) -> Iterator[str]:
        """Yield the repository's tags."""

    def close(self) -> None:
        """Close what connections are open."""
        return

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
