"""Fetch images from where they are kept.

The story
---------
The engine opens a registry for one repository, asks what a tag or digest is, and fetches what it lacks::

    with plugins.open_registry(...) as registry:
        found = registry.manifest("18.04")                 # bytes as they came, with their type and digest
        with registry.blob(descriptor) as chunks: …        # several at once, from several threads

The engine checks every digest and size itself while it streams; a driver may, but need not. The driver
retries what is worth retrying, resumes a broken download where it stopped, and keeps credentials from
every host but the one they are for. One that can be pushed to also implements Pushes::

    if not registry.has_blob(layer.digest) and not registry.mount_blob(layer.digest, "another/repository"):
        registry.put_blob(layer, file)                     # several at once, from several threads
    registry.put_manifest("18.04", content, media_type)    # last: it may name only what is there

Credentials are the driver's affair as well: it keeps them, and finds them again when a registry asks. A driver
that can be told them implements Authenticates and is then opened for the host alone::

    with plugins.open_registry(..., "registry.example:5000", ...) as registry:
        registry.login("alice", "secret")                  # kept, once the registry has accepted them
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, runtime_checkable

import msgspec

from sampan.contracts.origin import Fetched, Origin
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest

__all__ = ["Account", "Authenticates", "Content", "Fetched", "Pushes", "Registry"]


class Registry(Origin):
    """One repository at one registry. Methods may be called from several threads at once.

    All raise NotFound (no such repository, tag or blob), Denied (credentials missing or refused), Unavailable
    (unreachable, or failing after retries) and Corrupt (a reply that makes no sense).
    Opening sends nothing: the first failure is the first question's.
    """

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


class Content(Protocol):
    """What a blob is read from: any file opened for reading in binary, and whatever acts like one."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to a place, in bytes from the start."""

    def tell(self) -> int:
        """Return the place."""


@runtime_checkable
class Pushes(Protocol):
    """A registry that content can be put into. Blobs first, then the manifest that names them.

    Methods may be called from several threads at once, and raise what a Registry's raise.
    """

    def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has the blob."""

    def mount_blob(self, digest: Digest, source: str) -> bool:
        """Take a blob over from ``source``, a repository's path at the same registry; False when it will not be."""

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Store a blob: ``descriptor.size`` bytes from where ``content`` stands, read in pieces, on a retry again."""

    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        """Store a manifest or index, as it is, under a tag or under its digest."""


class Account(msgspec.Struct, frozen=True):
    """What is kept for a host: under which name, whether there is anything, and whose, where that is known."""

    name: str
    kept: bool
    user: str = ""


@runtime_checkable
class Authenticates(Protocol):
    """A registry that one can log in to. Opened for a host alone, ``host[:port]`` without a path."""

    def account(self) -> Account:
        """Tell what is kept for the host, without asking the registry."""

    def login(self, user: str, password: str) -> str:
        """Ask the registry whether it accepts these, then keep them in place of what was kept.

        Returns where they lie unencrypted, for a warning; empty where nobody else can read them. On any failure what
        was kept stays. Raises Denied when they are refused.
        """

    def verify(self) -> None:
        """Ask the registry whether it accepts what is kept. Raises Denied when it does not, or nothing is."""

    def logout(self) -> bool:
        """Forget what is kept; False when nothing was. The registry is not asked."""
