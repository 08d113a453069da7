"""What long work reports while it goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Event(msgspec.Struct, frozen=True):
    """A step of something: ``id`` says of what (a short layer digest; empty: the whole), ``action`` in Docker's words.

    ``current`` and ``total`` are bytes, 0 where they say nothing.
    """

    id: str
    action: str
    current: int = 0
    total: int = 0


Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """Report to nobody."""
