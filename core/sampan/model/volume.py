"""Describe volumes: storage that outlives containers."""

from __future__ import annotations

import msgspec


class VolumeRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A volume on record. ``anonymous``: nobody named it; it goes with the container it was made for, if so asked.

    ``created`` is in seconds since the epoch; ``options`` are the driver's. ``maker`` is the operation that made it, so
    that what another one made under the same name is told apart.
    """

    name: str
    driver: str
    created: float
    maker: str
    anonymous: bool = False
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
