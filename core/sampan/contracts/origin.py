"""Give out the documents and blobs that images are made of: what a registry and an image archive have in common.

The engine asks for what a version is, follows an index to the manifest of one platform, and fetches what it lacks. It
checks every digest and size itself while it streams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import msgspec

from sampan.model.descriptor import Descriptor


class Fetched(msgspec.Struct, frozen=True):
    """A document and what it is. ``descriptor.digest`` is computed from ``content``."""

    descriptor: Descriptor
    content: bytes


class Origin(ABC):
    """Where images come from. Methods may be called from several threads at once."""

    @abstractmethod
    def manifest(self, version: str) -> Fetched:
        """Return the manifest or index that a tag or digest names, as it came.

        Raises NotFound, and Unsupported for a document of a kind no longer supported, such as Docker's schema 1.
        """

    @abstractmethod
    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """Open a blob; inside the context, iterate over its bytes, once, in chunks of any size.

        What can be known at once (no such blob, no access) is raised on entering. The chunks come to exactly
        ``descriptor.size`` bytes, else Corrupt or Unavailable is raised while iterating.
        """
