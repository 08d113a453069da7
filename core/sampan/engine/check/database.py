"""Check the database itself: its pages, its indexes, and that no record hangs in the air."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from sampan.engine.check.finding import Suspicion

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_OF_AN_INDEX = ("missing from index", "wrong # of entries in index", "non-unique entry in index")


def look(engine: Engine) -> Iterator[Suspicion]:
    """Ask SQLite (pragma.html, integrity_check and foreign_key_check)."""
    database = engine.store.database
    problems = [str(row[0]) for row in database.all("PRAGMA integrity_check") if row[0] != "ok"]
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        only_indexes = all(any(words in problem for words in _OF_AN_INDEX) for problem in problems)
        yield Suspicion(
            kind="database", name=database.path, problem=problems[0] + more, remedy=lost(engine),
            mend=partial(_reindex, engine) if only_indexes else None,
        )
    for table, row, parent, _ in database.all("PRAGMA foreign_key_check"):
        yield Suspicion(
            kind="record", name=f"{table} {row}", problem=f"refers to none of the {parent}",
            mend=partial(_delete, engine, str(table), row),
        )


def lost(engine: Engine) -> str:
    """Return the remedy for a database that is beyond repair."""
    return f"put back a copy of it, or move {engine.layout.root} away and bring the images again"


def _reindex(engine: Engine) -> None:
    with engine.store.database.transaction() as cursor:
        cursor.execute("REINDEX")


def _delete(engine: Engine, table: str, row: object) -> None:
    with engine.store.database.transaction() as cursor:
        if any(fault[:2] == (table, row) for fault in cursor.execute("PRAGMA foreign_key_check")):
            cursor.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (row,))
