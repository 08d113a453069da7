"""The one value storage drivers emit and the kernel room consumes."""

from __future__ import annotations

import msgspec


class Mount(msgspec.Struct, frozen=True):
    """A mount(2) to be: ``options`` are words as in fstab(5), flags and data alike.

    ``bind`` and ``rbind`` among the options make it a bind mount whatever ``type`` says. ``target`` is
    relative to the tree being assembled; storage drivers leave it empty, meaning its root.
    """

    type: str
    source: str
    options: tuple[str, ...] = ()
    target: str = ""
