"""Name how a path differs between two trees."""

from __future__ import annotations

import enum

import msgspec


class ChangeKind(enum.StrEnum):
    """How a path differs from the parent's, in ``diff``'s letters."""

    ADDED = "A"
    MODIFIED = "C"
    DELETED = "D"


class Change(msgspec.Struct, frozen=True, order=True):
    """A path, absolute inside the tree and as bytes, and how it differs from the parent's."""

    path: bytes
    kind: ChangeKind
