"""Record which layer chains which storage driver holds unpacked."""

from __future__ import annotations

import sqlite3

import msgspec

from sampan.model.digest import Digest
from sampan.store.database import Database


class Layer(msgspec.Struct, frozen=True):
    """One unpacked layer on top of its parents; ``size`` in bytes of content, its own only."""

    driver: str
    chain: Digest
    parent: Digest | None
    diff_id: Digest
    size: int


class Layers:
    """The layer records. A record is written after the driver committed the snapshot named by its chain id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, driver: str, chain: Digest) -> Layer | None:
        """Return a layer that the driver holds, or None."""
        row = self._database.one(
            "SELECT parent, diff_id, size FROM layers WHERE driver = ? AND chain = ?", driver, chain
        )
        if row is None:
            return None
        parent, diff_id, size = row
        return Layer(driver, chain, Digest(str(parent)) if parent else None, Digest(str(diff_id)), int(str(size)))

    def held(self, driver: str, image: Digest) -> list[tuple[Digest, bool]]:
        """Return the chains of an image, lowest first, and of each whether the driver holds it."""
        rows = self._database.all(
            "SELECT image_layers.chain, layers.chain IS NOT NULL FROM image_layers "
            "LEFT JOIN layers ON layers.chain = image_layers.chain AND layers.driver = ? "
            "WHERE image = ? ORDER BY position",
            driver, image,
        )
        return [(Digest(str(chain)), bool(held)) for chain, held in rows]

    def size(self, chain: Digest) -> int | None:
        """Return what a layer unpacks to, from whichever driver holds it."""
        row = self._database.one("SELECT size FROM layers WHERE chain = ?", chain)
        return int(str(row[0])) if row else None

    def total(self, chain: Digest) -> int:
        """Return what a layer takes with all drivers that hold it."""
        row = self._database.one("SELECT coalesce(sum(size), 0) FROM layers WHERE chain = ?", chain)
        return int(str(row[0])) if row else 0

    def totals(self) -> dict[Digest, int]:
        """Return what every layer takes with all drivers that hold it."""
        rows = self._database.all("SELECT chain, sum(size) FROM layers GROUP BY chain")
        return {Digest(str(chain)): int(str(size)) for chain, size in rows}

    def below(self, driver: str, chain: Digest) -> int:
        """Return what a layer unpacks to with all those it stands on."""
        row = self._database.one(
            "WITH RECURSIVE stack (chain, parent, size) AS ("
            "SELECT chain, parent, size FROM layers WHERE driver = ?1 AND chain = ?2 UNION ALL "
            "SELECT next.chain, next.parent, next.size FROM layers AS next JOIN stack ON next.chain = stack.parent "
            "WHERE next.driver = ?1) SELECT coalesce(sum(size), 0) FROM stack", driver, chain,
        )
        return int(str(row[0])) if row else 0

    def add(self, cursor: sqlite3.Cursor, layer: Layer) -> None:
        """Record a layer."""
        cursor.execute(
            "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?)",
            (layer.driver, layer.chain, layer.parent, layer.diff_id, layer.size),
        )

    def drivers(self, cursor: sqlite3.Cursor, chain: Digest) -> list[str]:
        """Return the drivers that hold a chain."""
        return [row[0] for row in cursor.execute("SELECT driver FROM layers WHERE chain = ?", (chain,))]

    def remove(self, cursor: sqlite3.Cursor, driver: str, chain: Digest) -> None:
        """Remove a record; to be called before the driver removes the snapshot."""
        cursor.execute("DELETE FROM layers WHERE driver = ? AND chain = ?", (driver, chain))
