"""Keep layers, and assemble them into root file systems.

The story
---------
A *snapshot* is a directory tree with at most one parent, known by a key that the engine chooses. It is
*active* (being written) or *committed* (never changed again). Only committed snapshots have children.

Unpacking an image of two layers and running a container on it goes like this::

    driver.prepare("unpack-1", parent=None)      # an empty tree to write
    driver.mounts("unpack-1")                    # mounted by the engine, layer one extracted into it
    driver.commit("unpack-1", "sha256:aaa…")     # frozen under its chain id
    driver.prepare("unpack-2", parent="sha256:aaa…")
    …
    driver.commit("unpack-2", "sha256:bbb…")

    driver.prepare("77b2dc01…", parent="sha256:bbb…")   # the container's writable layer
    driver.mounts("77b2dc01…")                   # its root file system
    …                                            # it runs, stops, runs again
    driver.remove("77b2dc01…")

What the engine derives from these (extraction, changes, usage) comes from ``sampan.naive`` unless the driver
does it better itself: see Applies, Compares and Measures, which a driver implements by having their methods.

The rules
---------
Every method that changes something is atomic: killed in the middle, it leaves either the old state or
something that ``walk`` does not show and the next ``prepare`` or ``remove`` of the same key clears away.
Methods may be called from several processes at once, for different keys. Keys are at most 128 characters of
letters, digits and ``_.:-`` and are unique over active and committed snapshots. A driver is opened on a root
directory of its own, which survives reboots, and never touches anything outside it.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import BinaryIO, ClassVar, Protocol, runtime_checkable

import msgspec

from sampan.errors import InvalidInput
from sampan.model.change import Change, ChangeKind
from sampan.model.mount import Mount

__all__ = [
    "Applies", "Change", "ChangeKind", "Compares", "Kind", "Measures", "Snapshot", "StorageCapabilities",
    "StorageDriver", "Usage",
]


_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")


def check_key(key: str) -> str:
    """Return ``key`` if it may be a snapshot's, and so part of a path. Raises InvalidInput."""
    if not 0 < len(key) <= 128 or not _KEY.issuperset(key) or key in (".", ".."):
        raise InvalidInput(f"invalid snapshot key {key!r}")
    return key


class Kind(enum.StrEnum):
    """The two states of a snapshot."""

    ACTIVE = "active"
    COMMITTED = "committed"


class Snapshot(msgspec.Struct, frozen=True):
    """What ``walk`` tells of one snapshot."""

    key: str
    kind: Kind
    parent: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """What a snapshot occupies beyond its parent."""

    size: int
    inodes: int


class StorageCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine may count on.

    ``independent_layers``: ``prepare`` and ``apply`` work before the parent exists, so that layers unpack side by
    side; the parent must exist only when ``mounts`` is called. Requires Applies. ``most_layers``: as many committed
    snapshots may be stacked, and an active one on them; 0 for any number.
    """

    independent_layers: bool = False
    most_layers: int = 0


class StorageDriver(ABC):
    """A place for snapshots. The module's documentation is the contract; five methods are required."""

    capabilities: ClassVar[StorageCapabilities] = StorageCapabilities()

    @abstractmethod
    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot that starts as a copy of ``parent``, or empty.

        Raises AlreadyExists when the key is taken, NotFound when the parent does not exist or is active (from
        ``mounts`` instead, when the driver declares ``independent_layers``), InvalidInput when it is no key.
        """

    @abstractmethod
    def mounts(self, key: str) -> Sequence[Mount]:
        """Return the mounts, in order, that make the snapshot's tree appear at one directory.

        For an active snapshot they are writable, for a committed one read-only. Asking changes nothing;
        several may be mounted at once. Raises NotFound.
        """

    @abstractmethod
    def commit(self, key: str, name: str) -> None:
        """Freeze the active snapshot ``key`` and rename it to ``name``.

        Raises NotFound when ``key`` is not an active snapshot, AlreadyExists when ``name`` is taken (``key``
        then stays as it is).
        """

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove a snapshot with all its content. One that does not exist is removed already.

        Raises Conflict when it has children.
        """

    @abstractmethod
    def walk(self) -> Iterator[Snapshot]:
        """Yield every snapshot once, in no particular order."""

    def stat(self, key: str) -> Snapshot:
        """Return one snapshot. Raises NotFound. Override where looking one up is cheaper than walking."""
        from sampan.errors import NotFound

        for snapshot in self.walk():
            if snapshot.key == key:
                return snapshot
        raise NotFound(f"no such snapshot: {key}")

    def close(self) -> None:
        """Let go of what the driver holds open. The snapshots stay."""
        return


@runtime_checkable
class Applies(Protocol):
    """A driver that extracts layers itself, without being mounted first."""

    def apply(self, key: str, layer: BinaryIO) -> int:
        """Extract an uncompressed layer tar into the active snapshot, whiteouts carried out.

        Returns the bytes of file content extracted, symbolic links' targets included. Raises Corrupt on a malformed or
        hostile archive. When it fails or is killed, the snapshot stays active and holds part of the layer; its owner
        removes it.
        """


@runtime_checkable
class Compares(Protocol):
    """A driver that knows its changes without walking two trees."""

    def changes(self, key: str) -> Iterator[Change]:
        """Yield what differs from the parent, sorted by path, a directory before what is in it."""


@runtime_checkable
class Measures(Protocol):
    """A driver that knows what a snapshot occupies beyond its parent."""

    def usage(self, key: str) -> Usage:
        """Return the bytes of files and symbolic links, and the number of inodes, of the snapshot's own content."""
