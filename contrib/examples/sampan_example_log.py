"""Keep what containers print in SQLite databases, one each, to be searched with SQL."""

import contextlib
import os
import time

from sampan import hookimpl
from sampan.contracts.log import Entry, LogDriver, LogWriter
from sampan.errors import InvalidInput

_PAUSE = 0.05  # seconds between two looks of a reader that follows


def _opened(path):
    import sqlite3  # only here: the module is imported for questions that need no database

    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


class Writer(LogWriter):
    def __init__(self, path):
        self.database = _opened(path)
        self.database.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
        self.database.execute("CREATE TABLE IF NOT EXISTS log (stream TEXT, time REAL, content BLOB)")
        self.rest = {}

    def write(self, stream, content, time):
        lines = (self.rest.pop(stream, b"") + content).splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            self.rest[stream] = lines.pop()
        self._insert((stream, time, line) for line in lines)
        self.time = time

    def close(self):
        while self.rest:
            stream, rest = self.rest.popitem()
            self._insert([(stream, self.time, rest)])
        self.database.close()

    def _insert(self, rows):
        self.database.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)


class Database(LogDriver):
    def open(self, where, container, options, attributes=()):
        _refuse(options)
        return Writer(f"{where}/log.db")

    def read(self, where, options, *, since=0.0, until=0.0, tail=-1, follow=None):
        _refuse(options)
        last = 0
        while True:
            going_on = follow is not None and follow()  # asked before looking, so that nothing is missed
            if os.path.exists(f"{where}/log.db"):
                rows = self._rows(f"{where}/log.db", last, since, until or 1e12, tail)
                for last, *entry in rows:  # noqa: B007  # where the next look begins
                    yield Entry(*entry)
                tail = -1
            if not going_on:
                return
            time.sleep(_PAUSE)

    def _rows(self, path, after, since, until, tail):
        query = "SELECT rowid, * FROM log WHERE rowid > ? AND time >= ? AND time <= ? ORDER BY rowid DESC LIMIT ?"
        with contextlib.closing(_opened(path)) as database:
            return database.execute(query, (after, since, until, tail)).fetchall()[::-1]


def _refuse(options):
    if options:
        raise InvalidInput(f"unknown option {min(options)}")


@hookimpl
def sampan_open_logs(options):
    _refuse(options)
    return Database()
