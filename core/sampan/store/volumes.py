"""Record volumes."""

from __future__ import annotations

import sqlite3

import msgspec

from sampan.errors import NotFound
from sampan.model.volume import VolumeRecord
from sampan.store.database import Database


class Volumes:
    """The volume records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> VolumeRecord | None:
        """Return the volume of this name, or None."""
        row = self._database.one("SELECT record FROM volumes WHERE name = ?", name)
        return _decode(row[0]) if row else None

    def get(self, name: str) -> VolumeRecord:
        """Return the volume of this name. Raises NotFound."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"get {name}: no such volume")
        return found

    def all(self) -> list[VolumeRecord]:
        """Return every volume, by name."""
        return [_decode(row[0]) for row in self._database.all("SELECT record FROM volumes ORDER BY name")]

    def add(self, cursor: sqlite3.Cursor, volume: VolumeRecord) -> None:
        """Record a volume."""
        cursor.execute("INSERT INTO volumes VALUES (?, ?)", (volume.name, msgspec.json.encode(volume)))

    def remove(self, cursor: sqlite3.Cursor, name: str) -> None:
        """Remove a record."""
        cursor.execute("DELETE FROM volumes WHERE name = ?", (name,))


def _decode(record: object) -> VolumeRecord:
    assert isinstance(record, bytes)
    return msgspec.json.decode(record, type=VolumeRecord)
