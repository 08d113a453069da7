"""Say how containers are kept by whoever makes them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


def _unheard(_: str) -> None:
    return


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's choices that no bundle tells.

    ``bound``: a container dies with the process that made it. ``preserved``: how many of the caller's descriptors
    from 3 on its command keeps. ``keyring``: it gets a session keyring of its own. ``warn`` hears of failures that
    stop nothing.
    """

    bound: bool = True
    preserved: int = 0
    keyring: bool = True
    warn: Callable[[str], None] = _unheard
