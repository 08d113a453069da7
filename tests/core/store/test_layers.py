from __future__ import annotations

from tests.core.store.conftest import digest, image

from sampan.store.layers import Layer
from sampan.store.store import Store


def test_held_tells_what_a_driver_lacks(store: Store) -> None:
    one, two = digest("1"), digest("2")
    lower = Layer("a", one, None, one, 100)
    with store.database.transaction() as cursor:
        store.images.add(cursor, image("x"), [], [one, two])
        store.layers.add(cursor, lower)
        assert store.layers.drivers(cursor, one) == ["a"]
    assert store.layers.held("a", image("x").id) == [(one, True), (two, False)]
    assert store.layers.held("b", image("x").id) == [(one, False), (two, False)]
    assert store.layers.held("a", image("none").id) == []
    assert store.layers.get("a", one) == lower
    assert store.layers.get("b", one) is None
    assert (store.layers.size(one), store.layers.size(two)) == (100, None)
    with store.database.transaction() as cursor:
        store.layers.remove(cursor, "a", one)
    assert store.layers.get("a", one) is None
