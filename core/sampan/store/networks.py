"""Record networks."""

from __future__ import annotations

import msgspec

from sampan.model.network import Network
from sampan.store.database import Database


class Networks:
    """The network records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def named(self, name: str) -> Network | None:
        """Return the network with this name or id, or None."""
        row = self._database.one("SELECT record FROM networks WHERE name = ? OR id = ?", name, name)
        return _decode(row[0]) if row else None

    def all(self) -> list[Network]:
        """Return every network, by name."""
        return [_decode(row[0]) for row in self._database.all("SELECT record FROM networks ORDER BY name")]

    def add(self, network: Network) -> None:
        """Record a network; one of its name that came first stays."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT OR IGNORE INTO networks VALUES (?, ?, ?)",
                (network.id, network.name, msgspec.json.encode(network)),
            )


def _decode(record: object) -> Network:
    assert isinstance(record, bytes)
    return msgspec.json.decode(record, type=Network)
