from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from threading import Thread

import pytest

from sampan.errors import Corrupt, Denied, Unsupported
from sampan.model.network import Connection, Pool
from sampan.store.containers import Containers
from sampan.store.database import Database
from sampan.store.networks import Networks


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "db"))
    with pytest.raises(KeyError), database.transaction() as cursor:
        cursor.execute("INSERT INTO leases VALUES ('a', 'b', 'c')")
        raise KeyError
    assert database.all("SELECT * FROM leases") == []
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO leases VALUES ('a', 'b', 'c')")
    database.close()
    again = Database(str(tmp_path / "db"))
    assert again.one("SELECT digest FROM leases") == ("c",)
    again.close()


def test_threads_share_a_connection(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "db"))
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(50):
                with database.transaction() as cursor:
                    cursor.execute("INSERT INTO leases VALUES (?, ?, ?)", (name, name, str(number)))
                database.all("SELECT * FROM leases WHERE operation = ?", name)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=write, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert database.one("SELECT count(*) FROM leases") == (200,)
    database.close()


def test_connections_wait_for_each_other(tmp_path: Path) -> None:
    first, second = Database(str(tmp_path / "db")), Database(str(tmp_path / "db"))

    def write() -> None:
        with second.transaction() as cursor:
            cursor.execute("INSERT INTO leases VALUES ('second', '', '')")

    thread = Thread(target=write)
    with first.transaction() as cursor:
        thread.start()
        cursor.execute("INSERT INTO leases VALUES ('first', '', '')")
    thread.join()
    assert first.all("SELECT operation FROM leases") == [("first",), ("second",)]
    first.close()
    second.close()


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unsupported, match="has layout 99") as caught:
        Database(str(tmp_path / "db"))
    assert caught.value.hint == "upgrade Sampan"


def test_an_older_layout_is_brought_up(tmp_path: Path) -> None:
    Database(str(tmp_path / "db")).close()
    connection = sqlite3.connect(tmp_path / "db")
    connection.executescript("""
        DROP TABLE tags; DROP TABLE images; DROP TABLE volumes;
        CREATE TABLE images (id TEXT PRIMARY KEY, manifest TEXT NOT NULL, created REAL NOT NULL, size INTEGER NOT NULL,
            stored REAL NOT NULL);
        CREATE TABLE tags (repository TEXT NOT NULL, tag TEXT NOT NULL, image TEXT NOT NULL REFERENCES images
            ON DELETE CASCADE, PRIMARY KEY (repository, tag));
        INSERT INTO images VALUES ('i', 'm', 1.0, 2, 3.0);
        INSERT INTO tags VALUES ('r', 't', 'i');
        PRAGMA user_version = 1;
    """)
    connection.close()
    database = Database(str(tmp_path / "db"))
    assert database.all("SELECT * FROM tags") == [("r", "t", "i", "m", 3.0)]
    assert database.all("SELECT * FROM images") == [("i", "m", 1.0, 2, 3.0, None)]
    database.close()


def test_networks_and_containers_of_layout_3_are_brought_up(tmp_path: Path) -> None:
    Database(str(tmp_path / "db")).close()
    described = b'"image_id":"i","path":"p","created":1.0,"storage_driver":"s","runtime":"r","log_driver":"l"'
    spec = b'{"image":"i","network":"web","network_aliases":["a","b"],"address":"10.1.0.9","mac":"02:00:00:00:00:01"}'
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("INSERT INTO networks VALUES ('bridge', 'bridge', ?)", (
        b'{"id":"bridge","name":"bridge","driver":"d","subnet":"10.1.0.0/16","gateway":"10.1.0.1"}',
    ))  # fmt: skip
    connection.execute("INSERT INTO networks VALUES ('n', 'none', ?)", (b'{"id":"n","name":"none","driver":"d"}',))
    connection.execute("INSERT INTO containers VALUES ('c', 'c', 'i', 'exited', 1.0, ?)", (
        b'{"id":"c","name":"c","network_driver":"d",' + described + b',"spec":' + spec + b"}",
    ))  # fmt: skip
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()
    database = Database(str(tmp_path / "db"))
    bridge, none = Networks(database).all()
    assert bridge.pools == (Pool(subnet="10.1.0.0/16", gateway="10.1.0.1"),) and none.pools == ()
    assert Containers(database).get("c").spec.connections == (
        Connection(network="web", aliases=("a", "b"), address="10.1.0.9", mac="02:00:00:00:00:01"),
    )
    database.close()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"something else entirely " * 100)
    with pytest.raises(Corrupt, match="is damaged"):
        Database(str(tmp_path / "db"))


def test_a_place_that_cannot_be_opened_is_denied(tmp_path: Path) -> None:
    with pytest.raises(Denied, match="cannot open the store"):
        Database(str(tmp_path / "no" / "such" / "directory"))


def test_many_first_commands_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "sampan.db")
    children = []
    for _ in range(12):
        child = os.fork()
        if child == 0:
            try:
                Database(path).close()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 12
