"""Record containers, and change their state only from a state that allows it."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from sampan.model.container import ALIVE, RUNNING, Container, Status
from sampan.model.digest import Digest
from sampan.store.database import Database

_decoder = msgspec.json.Decoder(Container)
_encode = msgspec.json.encode


class Containers:
    """The container records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, container: Container) -> None:
        """Record a new container. Raises AlreadyExists when its name is taken, NotFound when its image is gone."""
        with self._database.transaction() as cursor:
            _refuse_taken(cursor, container.name)
            if not cursor.execute("SELECT 1 FROM images WHERE id = ?", (container.image_id,)).fetchone():
                raise NotFound(f"No such image: {container.spec.image}")
            cursor.execute(
                "INSERT INTO containers VALUES (?, ?, ?, ?, ?, ?)",
                (container.id, container.name, container.image_id, container.status, container.created,
                 _encode(container)),
            )

    def rename(self, container: str, name: str) -> Container:
        """Change a container's name and return its record. Raises AlreadyExists when another has it."""
        with self._database.transaction() as cursor:
            _refuse_taken(cursor, name)
            return self.change(cursor, container, name=name)

    def taken(self, name: str) -> bool:
        """Tell whether a container has this name."""
        return self._database.one("SELECT 1 FROM containers WHERE name = ?", name) is not None

    def find(self, text: str) -> Container:
        """Return the container with this id, name, or unique beginning of an id.

        Raises NotFound, and InvalidInput when the beginning fits several.
        """
        query = "SELECT record FROM containers WHERE "
        name = text.removeprefix("/")
        row = self._database.one(query + "id = ? OR name = ? ORDER BY id = ? DESC", text, name, text)
        if row is None and text and text.isalnum() and len(text) < 64:
            rows = self._database.all(query + "id GLOB ? LIMIT 2", f"{text}*")
            if len(rows) > 1:
                raise InvalidInput(f"Multiple IDs found with provided prefix: {text}")
            row = rows[0] if rows else None
        if row is None:
            raise NotFound(f"No such container: {text}")
        return _decode(row[0])

    def get(self, container: str) -> Container:
        """Return a container by its whole id. Raises NotFound."""
        row = self._database.one("SELECT record FROM containers WHERE id = ?", container)
        if row is None:
            raise NotFound(f"No such container: {container}")
        return _decode(row[0])

    def all(self) -> list[Container]:
        """Return every container, the newest first."""
        return [_decode(row[0]) for row in self._database.all("SELECT record FROM containers ORDER BY created DESC")]

    def with_status(self, *statuses: Status) -> list[Container]:
        """Return the containers in any of these states, the newest first."""
        marks = ", ".join("?" * len(statuses))
        query = f"SELECT record FROM containers WHERE status IN ({marks}) ORDER BY created DESC"
        rows = self._database.all(query, *statuses)
        return [_decode(row[0]) for row in rows]

    def telling_of(self, container: str) -> list[Container]:
        """Return the containers that run, or are paused, and have another's whole id on their records."""
        query = f"SELECT record FROM containers WHERE status IN ({', '.join('?' * len(RUNNING))}) AND instr(record, ?)"
        return [_decode(row[0]) for row in self._database.all(query, *RUNNING, container.encode())]

    def alive(self) -> list[Container]:
        """Return the containers that a monitor should be looking after, the newest first."""
        return self.with_status(*ALIVE)

    def using(self, image: Digest) -> list[Container]:
        """Return the containers made from an image, and those that mount it."""
        # What a record says of mounts is looked for as text first, for that costs a hundredth of reading it.
        query = "SELECT record FROM containers WHERE image = ?1 OR instr(record, CAST(?1 AS BLOB))"
        found = [_decode(row[0]) for row in self._database.all(query, image)]
        return [one for one in found if image == one.image_id or image in (each.image for each in one.spec.volumes)]

    def update(self, container: str, *, expected: tuple[Status, ...] = (), **changes: Any) -> Container:
        """Change fields of a record and return it; raises Conflict unless its state is an ``expected`` one."""
        with self._database.transaction() as cursor:
            return self.change(cursor, container, expected=expected, **changes)

    def change(
        self, cursor: sqlite3.Cursor, container: str, *, expected: tuple[Status, ...] = (), **changes: Any
    ) -> Container:
        """Do what ``update`` does, as part of a transaction."""
        row = cursor.execute("SELECT record FROM containers WHERE id = ?", (container,)).fetchone()
        if row is None:
            raise NotFound(f"No such container: {container}")
        record = _decode(row[0])
        if expected and record.status not in expected:
            raise Conflict(f"container {record.name} is {record.status}")
        record = msgspec.structs.replace(record, **changes)
        cursor.execute(
            "UPDATE containers SET name = ?, status = ?, record = ? WHERE id = ?",
            (record.name, record.status, _encode(record), container),
        )
        return record

    def remove(self, cursor: sqlite3.Cursor, container: str) -> None:
        """Remove a record."""
        cursor.execute("DELETE FROM containers WHERE id = ?", (container,))


def _refuse_taken(cursor: sqlite3.Cursor, name: str) -> None:
    row = cursor.execute("SELECT id FROM containers WHERE name = ?", (name,)).fetchone()
    if row:
        raise AlreadyExists(
            f'Conflict. The container name "/{name}" is already in use by container "{row[0]}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )


def _decode(record: object) -> Container:
    assert isinstance(record, bytes)
    return _decoder.decode(record)
