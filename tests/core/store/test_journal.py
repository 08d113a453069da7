from __future__ import annotations

import os
import signal

import pytest
from tests.core.store.conftest import digest, image

from sampan.errors import Unsupported
from sampan.store.journal import Action
from sampan.store.layout import Layout
from sampan.store.store import Store

RELEASED = Action("released", ("x",))


def left(store: Store) -> list[tuple[object, ...]]:
    return store.database.all("SELECT operation FROM journal UNION ALL SELECT operation FROM leases")


def test_success_drops_the_notes(store: Store) -> None:
    undone: list[Action] = []
    with store.journal.operation("test", undone.append) as operation:
        operation.plan("thing", "one")
        operation.lease(["x"])
        assert len(left(store)) == 2
    assert (undone, left(store)) == ([RELEASED], [])


def test_failure_carries_them_out_last_to_first(store: Store) -> None:
    undone: list[Action] = []
    with pytest.raises(KeyboardInterrupt), store.journal.operation("test", undone.append) as operation:
        operation.plan("thing", "one")
        operation.plan("thing", "two", "three")
        raise KeyboardInterrupt
    assert undone == [Action("thing", ("two", "three")), Action("thing", ("one",))]
    assert left(store) == []


def test_a_note_belongs_to_the_transaction_it_is_made_in(store: Store) -> None:
    undone: list[Action] = []
    with (
        pytest.raises(KeyError),
        store.journal.operation("test", undone.append) as operation,
        store.database.transaction() as cursor,
    ):
        operation.plan("thing", cursor=cursor)
        raise KeyError
    assert undone == []


def test_leases_are_gone_when_the_notes_are_carried_out(store: Store) -> None:
    seen: list[bool] = []

    def undo(action: Action) -> None:
        with store.database.transaction() as cursor:
            seen.append(store.images.needs_blob(cursor, digest("x")))

    with pytest.raises(KeyError), store.journal.operation("test", undo) as operation:
        operation.lease([digest("x")])
        operation.plan("look")
        raise KeyError
    assert seen == [False, False]  # and when what was leased is let go of


def die_in_the_middle(layout: Layout) -> None:
    pid = os.fork()
    if pid == 0:
        store = Store(layout)
        with store.journal.operation("killed", lambda action: None) as operation:
            operation.plan("thing", "one")
            operation.lease(["x"])
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_sweep_undoes_what_the_dead_left(layout: Layout) -> None:
    die_in_the_middle(layout)
    store = Store(layout)
    undone: list[Action] = []
    with store.journal.operation("alive", undone.append) as operation:
        operation.plan("mine")
        assert store.journal.sweep(undone.append) == 1
        assert undone == [Action("thing", ("one",)), RELEASED]
        assert store.journal.sweep(undone.append) == 0
    assert left(store) == []
    store.close()


def test_what_cannot_be_undone_now_stays_for_later(layout: Layout) -> None:
    die_in_the_middle(layout)
    store = Store(layout)

    def fail(action: Action) -> None:
        raise Unsupported("not here")

    assert store.journal.sweep(fail) == 0
    assert len(left(store)) == 2
    undone: list[Action] = []
    assert store.journal.sweep(undone.append) == 1
    assert undone == [Action("thing", ("one",)), RELEASED]
    store.close()


def test_what_is_released_goes_last_and_once(store: Store) -> None:
    undone: list[Action] = []
    with store.journal.operation("test", undone.append) as operation:
        operation.lease(["x"])
        operation.plan("thing")
        with store.database.transaction() as cursor:
            operation.finish(cursor)
    assert undone == [RELEASED]


def test_what_an_image_needs_is_not_released(store: Store) -> None:
    undone: list[Action] = []
    known = image("one")
    with store.journal.operation("test", undone.append) as operation:
        operation.lease([digest("blob"), digest("chain"), "x"])
        with store.database.transaction() as cursor:
            store.images.add(cursor, known, [digest("blob")], [digest("chain")])
            operation.finish(cursor)
    assert (undone, left(store)) == ([RELEASED], [])


def test_a_note_that_cannot_be_read_keeps_nobody_from_working(store: Store) -> None:
    with store.database.transaction() as cursor:
        cursor.execute("INSERT INTO journal (operation, owner, action) VALUES ('x', '//', ?)", (b"{",))
    assert store.journal.sweep(lambda action: None) == 0
    assert store.journal.stuck() == {"x": [None]}
    store.journal.drop("x")
    assert left(store) == []


def test_each_operation_is_undone_by_one_sweeper(layout: Layout) -> None:
    die_in_the_middle(layout)
    store = Store(layout)
    undone: list[Action] = []

    def undo(action: Action) -> None:
        undone.append(action)
        other = Store(layout)
        assert other.journal.sweep(undone.append) == 0
        other.close()

    assert store.journal.sweep(undo) == 1
    assert len(undone) == 2
    store.close()
