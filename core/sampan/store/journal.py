"""Write down how to undo a step before taking it.

An *operation* is one command's attempt at something made of several steps outside the database (a file, a
snapshot, a directory). Each step's undoing is recorded first. When the operation ends well its notes are dropped,
in the same transaction as its result where that matters; when it fails, or its process is found dead by a later
command, the notes are carried out last to first. Undoing must therefore be possible twice, and before the step was
taken.

A *lease* keeps content alive that no image refers to yet: removal passes over leased digests. So whoever gives a lease
up answers for what nobody needs by then, though another command had meant to remove it: a note of the kind ``RELEASED``
takes the lease's place, and is carried out after all others.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec

from sampan.errors import Corrupt, SampanError
from sampan.store import owner
from sampan.store.database import Database


class Action(msgspec.Struct, frozen=True, array_like=True):
    """One undoing: ``kind`` names what the engine does, ``what`` to what."""

    kind: str
    what: tuple[str, ...]


Undo = Callable[[Action], None]

RELEASED = "released"
"""The kind of a note that names what was leased and is needed by no image: digests and chains, lowest first."""


class Operation:
    """The notes of one attempt."""

    def __init__(self, database: Database, name: str, token: str) -> None:
        self._database = database
        self._token = token
        self.id = f"{name}-{os.urandom(6).hex()}"
        self.ended = True
        """Whether the notes are dropped, all but one of what was released; as long as there are none, too."""

    def plan(self, kind: str, *what: str, cursor: sqlite3.Cursor | None = None) -> None:
        """Record an undoing, before the step it undoes; within a transaction under way if its cursor is given."""
        if cursor is None:
            with self._database.transaction() as own:
                self.plan(kind, *what, cursor=own)
            return
        self.ended = False
        action = msgspec.json.encode(Action(kind, what))
        cursor.execute(
            "INSERT INTO journal (operation, owner, action) VALUES (?, ?, ?)", (self.id, self._token, action)
        )

    def lease(self, digests: Iterable[str], cursor: sqlite3.Cursor | None = None) -> None:
        """Keep these digests and chain ids, lowest first, from being removed until the operation ends."""
        if cursor is None:
            with self._database.transaction() as own:
                self.lease(digests, own)
            return
        self.ended = False
        cursor.executemany(
            "INSERT INTO leases VALUES (?, ?, ?)", [(self.id, self._token, digest) for digest in digests]
        )

    def finish(self, cursor: sqlite3.Cursor) -> None:
        """Drop the notes as part of the transaction that records the result."""
        cursor.execute("DELETE FROM journal WHERE operation = ?", (self.id,))
        _release(cursor, self.id, self._token)
        self.ended = True


class Journal:
    """The notes of every operation under way, or left by a process that died."""

    def __init__(self, database: Database, make_room: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._make_room = make_room  # before undoing: on a full disk even that takes space to begin with

    @contextmanager
    def operation(self, name: str, undo: Undo) -> Iterator[Operation]:
        """Run an operation: on success drop its notes, on an exception carry them out and let it pass on."""
        operation = Operation(self._database, name, owner.current())
        try:
            yield operation
        except BaseException:
            self._undo(operation.id, undo)
            raise
        if not operation.ended:
            with self._database.transaction() as cursor:
                operation.finish(cursor)
        if self._database.one("SELECT 1 FROM journal WHERE operation = ?", operation.id):
            self._undo(operation.id, undo)

    def sweep(self, undo: Undo) -> int:
        """Undo what dead processes left; return how many operations that were. Cheap when there are none.

        Several commands may sweep at once: each takes over the operations that it undoes.
        """
        rows = self._database.all("SELECT operation, owner FROM journal UNION SELECT operation, owner FROM leases")
        dead = [(str(operation), str(token)) for operation, token in rows if not owner.alive(str(token))]
        mine = [operation for operation, token in dead if self._take_over(operation, token)]
        return sum(self._undo(operation, undo) for operation in mine)

    def stuck(self) -> dict[str, list[Action | None]]:
        """Return the notes that could not be carried out, by operation, in the order to try; None: unreadable."""
        found: dict[str, list[Action | None]] = {}
        query = "SELECT operation, action FROM journal WHERE owner = ? ORDER BY step DESC"
        for operation, action in self._database.all(query, owner.NOBODY):
            try:
                found.setdefault(str(operation), []).append(_decoded(action))
            except Corrupt:
                found[str(operation)].append(None)
        return found

    def words(self) -> list[str]:
        """Return what the notes speak of: digests, chains, keys and ids that some operation still has in hand."""
        words: list[str] = []
        for (action,) in self._database.all("SELECT action FROM journal"):
            try:
                words += _decoded(action).what
            except Corrupt:
                continue
        return words

    def under_way(self, cursor: sqlite3.Cursor, kind: str, *what: str) -> bool:
        """Tell, as part of a transaction, whether a living process is at what it has noted so."""
        rows = cursor.execute(
            "SELECT owner FROM journal WHERE action = ?", (msgspec.json.encode(Action(kind, what)),)
        ).fetchall()
        return any(owner.alive(str(row[0])) for row in rows)

    def drop(self, operation: str) -> None:
        """Forget an operation's notes without carrying them out."""
        with self._database.transaction() as cursor:
            _forget(cursor, operation)

    def _take_over(self, operation: str, dead: str) -> bool:
        token = owner.current()
        with self._database.transaction() as cursor:
            taken = sum(
                cursor.execute(
                    f"UPDATE {table} SET owner = ? WHERE operation = ? AND owner = ?", (token, operation, dead)
                ).rowcount
                for table in ("journal", "leases")
            )
        return taken > 0

    def _undo(self, operation: str, undo: Undo) -> bool:
        self._make_room()
        with self._database.transaction() as cursor:
            _release(cursor, operation, owner.current())
        rows = self._database.all("SELECT action FROM journal WHERE operation = ? ORDER BY step DESC", operation)
        try:
            # What stood on released layers must be gone before them.
            for action in sorted((_decoded(row[0]) for row in rows), key=lambda action: action.kind == RELEASED):
                undo(action)
        except (SampanError, OSError):
            # A driver that cannot work now must not keep every other command from working: a later one tries again,
            # also while this process lives on.
            with self._database.transaction() as cursor:
                cursor.execute("UPDATE journal SET owner = ? WHERE operation = ?", (owner.NOBODY, operation))
            return False
        with self._database.transaction() as cursor:
            _forget(cursor, operation)
        return True


def _decoded(action: object) -> Action:
    assert isinstance(action, bytes)
    try:
        return msgspec.json.decode(action, type=Action)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"a note in the journal cannot be read: {error}") from error


def _release(cursor: sqlite3.Cursor, operation: str, token: str) -> None:
    """Give up an operation's leases, and note what of it no image needs."""
    rows = cursor.execute(
        "SELECT DISTINCT digest FROM leases WHERE operation = ? "
        "AND NOT EXISTS (SELECT 1 FROM image_blobs WHERE image_blobs.digest = leases.digest) "
        "AND NOT EXISTS (SELECT 1 FROM image_layers WHERE chain = leases.digest) ORDER BY rowid", (operation,),
    ).fetchall()
    cursor.execute("DELETE FROM leases WHERE operation = ?", (operation,))
    if rows:
        action = msgspec.json.encode(Action(RELEASED, tuple(row[0] for row in rows)))
        cursor.execute("INSERT INTO journal (operation, owner, action) VALUES (?, ?, ?)", (operation, token, action))


def _forget(cursor: sqlite3.Cursor, operation: str) -> None:
    cursor.execute("DELETE FROM journal WHERE operation = ?", (operation,))
    cursor.execute("DELETE FROM leases WHERE operation = ?", (operation,))
