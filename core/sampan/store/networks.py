"""Record networks."""

from __future__ import annotations

import sqlite3

import msgspec

from sampan.errors import AlreadyExists, InvalidInput, NotFound
from sampan.model.network import Network
from sampan.store.database import Database


class Networks:
    """The network records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def named(self, name: str) -> Network | None:
        """Return the network with this name or id, or None."""
        query = "SELECT record FROM networks WHERE name = ? OR id = ? ORDER BY name = ? DESC"
        row = self._database.one(query, name, name, name)
        return _decode(row[0]) if row else None

    def find(self, text: str) -> Network:
        """Return the network with this name, id, or unique beginning of an id. Raises NotFound and InvalidInput."""
        found = self.named(text)
        if found:
            return found
        rows = self._database.all("SELECT record FROM networks WHERE id GLOB ? LIMIT 2", f"{text}*") if (
            text.isalnum()
        ) else []
        if len(rows) > 1:
            raise InvalidInput(f"network {text} is ambiguous ({len(rows)} matches found based on ID prefix)")
        if not rows:
            raise NotFound(f"network {text} not found")
        return _decode(rows[0][0])

    def all(self) -> list[Network]:
        """Return every network, by name."""
        return [_decode(row[0]) for row in self._database.all("SELECT record FROM networks ORDER BY name")]

    def add(self, cursor: sqlite3.Cursor, network: Network) -> None:
        """Record a network. Raises AlreadyExists when another has its name."""
        self.refuse_taken(cursor, network.name)
        self._insert(cursor, "INSERT", network)

    def refuse_taken(self, cursor: sqlite3.Cursor, name: str) -> None:
        """Raise AlreadyExists when a network has this name."""
        if cursor.execute("SELECT 1 FROM networks WHERE name = ?", (name,)).fetchone():
            raise AlreadyExists(f"network with name {name} already exists")

    def settle(self, network: Network) -> Network:
        """Record a network unless there is one of its name, and return the one there is then."""
        with self._database.transaction() as cursor:
            self._insert(cursor, "INSERT OR IGNORE", network)
            (record,) = cursor.execute("SELECT record FROM networks WHERE name = ?", (network.name,)).fetchone()
        return _decode(record)

    def remove(self, cursor: sqlite3.Cursor, network: str) -> None:
        """Remove a record, by its id."""
        cursor.execute("DELETE FROM networks WHERE id = ?", (network,))

    def _insert(self, cursor: sqlite3.Cursor, how: str, network: Network) -> None:
        values = (network.id, network.name, msgspec.json.encode(network))
        cursor.execute(f"{how} INTO networks VALUES (?, ?, ?)", values)


def _decode(record: object) -> Network:
    assert isinstance(record, bytes)
    return msgspec.json.decode(record, type=Network)
