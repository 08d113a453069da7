"""Open the SQLite database: one schema, one layout version, short transactions.

Write-ahead logging with ``synchronous = NORMAL`` loses no committed transaction to a killed process; a power cut may
lose the last ones but never the order between them, and whatever they left on disk the next sweep finds.
"""

from __future__ import annotations

import os
import sqlite3
import time
from _thread import RLock  # threading's own, without its import
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.errors import Corrupt, Denied, InvalidInput, OutOfSpace, SampanError, Unavailable, Unsupported

LAYOUT_VERSION = 4
_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE images (
    id TEXT PRIMARY KEY, manifest TEXT NOT NULL, created REAL NOT NULL, size INTEGER NOT NULL, stored REAL NOT NULL,
    parent TEXT);
CREATE TABLE tags (
    repository TEXT NOT NULL, tag TEXT NOT NULL, image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    manifest TEXT NOT NULL, tagged REAL NOT NULL, PRIMARY KEY (repository, tag));
CREATE TABLE digests (
    repository TEXT NOT NULL, digest TEXT NOT NULL, image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    PRIMARY KEY (repository, digest, image));
CREATE TABLE image_blobs (
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE, digest TEXT NOT NULL, PRIMARY KEY (image, digest));
CREATE INDEX image_blobs_by_digest ON image_blobs (digest);
CREATE TABLE image_layers (
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE, chain TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (image, chain));
CREATE INDEX image_layers_by_chain ON image_layers (chain);
CREATE TABLE layers (
    driver TEXT NOT NULL, chain TEXT NOT NULL, parent TEXT, diff_id TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (driver, chain));
CREATE TABLE containers (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image TEXT NOT NULL, status TEXT NOT NULL,
    created REAL NOT NULL, record BLOB NOT NULL);
CREATE INDEX containers_by_image ON containers (image);
CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE volumes (name TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE journal (
    step INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, owner TEXT NOT NULL, action BLOB NOT NULL);
CREATE TABLE leases (operation TEXT NOT NULL, owner TEXT NOT NULL, digest TEXT NOT NULL);
CREATE INDEX leases_by_digest ON leases (digest);
"""

_STEPS = (
    # From layout 1 to 2: what an image was committed from; as what, and when, a name was given.
    """
ALTER TABLE images ADD COLUMN parent TEXT;
ALTER TABLE tags ADD COLUMN manifest TEXT NOT NULL DEFAULT '';
ALTER TABLE tags ADD COLUMN tagged REAL NOT NULL DEFAULT 0;
UPDATE tags SET manifest = (SELECT manifest FROM images WHERE id = image),
    tagged = (SELECT stored FROM images WHERE id = image);
""",
    # From layout 2 to 3: volumes.
    "CREATE TABLE volumes (name TEXT PRIMARY KEY, record BLOB NOT NULL);",
    # From layout 3 to 4: subnets are of either family, and containers on several networks.
    """
UPDATE networks SET record = CAST(json_set(CAST(record AS TEXT), '$.pools', json_array(json_object(
    'subnet', json_extract(CAST(record AS TEXT), '$.subnet'),
    'gateway', json_extract(CAST(record AS TEXT), '$.gateway')))) AS BLOB)
    WHERE json_extract(CAST(record AS TEXT), '$.subnet') != '';
UPDATE containers SET record = CAST(json_set(CAST(record AS TEXT), '$.spec.connections', json_array(json_object(
    'network', json_extract(CAST(record AS TEXT), '$.spec.network'),
    'aliases', json(coalesce(json_extract(CAST(record AS TEXT), '$.spec.network_aliases'), '[]')),
    'address', coalesce(json_extract(CAST(record AS TEXT), '$.spec.address'), ''),
    'mac', coalesce(json_extract(CAST(record AS TEXT), '$.spec.mac'), '')))) AS BLOB)
    WHERE json_extract(CAST(record AS TEXT), '$.spec.network') != '';
""",
)


class Database:
    """One connection, which threads may share. Close it before a fork whose child opens the store.

    SQLite counts a file's locks per process, in memory: a connection opened in the child while the parent's was open
    relies on locks that only the parent has, and loses its log once the parent ends.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._turn = RLock()
        with translated(path):
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._migrate()

    def _migrate(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == LAYOUT_VERSION:
            return
        if version > LAYOUT_VERSION:
            raise Unsupported(
                f"the store at {self.path} has layout {version}; this Sampan knows {LAYOUT_VERSION}", "upgrade Sampan"
            )
        self._use_write_ahead_log()
        with self.transaction() as cursor:
            # Asked again inside the transaction: two first commands may have come here together.
            (version,) = cursor.execute("PRAGMA user_version").fetchone()
            script = _SCHEMA if version == 0 else "".join(_STEPS[version - 1 :])
            for statement in script.split(";"):
                cursor.execute(statement)
            cursor.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")

    def _use_write_ahead_log(self) -> None:
        # Of two first commands one finds the file locked, and for this change SQLite does not wait by itself.
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """Hold the write lock; commit on leaving, roll back on an exception."""
        with self._turn, translated(self.path):
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def all(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Return every row of a query."""
        with self._turn, translated(self.path):
            return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> tuple[object, ...] | None:
        """Return the first row of a query, or None."""
        with self._turn, translated(self.path):
            row: tuple[object, ...] | None = self._connection.execute(query, values).fetchone()
            return row

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's errors into ours, naming the file; of a name that is no text, the name."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{error.object!r} is not valid UTF-8") from error
    except sqlite3.Error as error:
        raise _translation(path, error) from error


# What SQLite reports, besides SQLITE_FULL, when a file it maps or logs to cannot grow.
_NO_ROOM = frozenset(("SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN"))


def _is_full(path: str) -> bool:
    try:
        return os.statvfs(os.path.dirname(path)).f_bfree < 64  # blocks
    except OSError:
        return False


def _translation(path: str, error: sqlite3.Error) -> SampanError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL") or (name in _NO_ROOM and _is_full(path)):
        return OutOfSpace(f"no space left on the file system of {path}")
    if name.startswith("SQLITE_BUSY"):
        return Unavailable(f"the store at {path} is busy", "another command holds it; try again")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return Denied(f"cannot open the store at {path}: {error}", "run as root, or choose another --root")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Corrupt(f"the store at {path} is damaged: {error}")
    return SampanError(f"the store at {path} failed: {error}")
