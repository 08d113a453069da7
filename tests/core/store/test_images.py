from __future__ import annotations

import msgspec
import pytest
from tests.core.store.conftest import digest, image

from sampan.errors import InvalidInput, NotFound
from sampan.model import reference as references
from sampan.model.image import Image
from sampan.store.store import Store


def add(store: Store, record: Image, *names: str, blobs: str = "", chains: str = "") -> None:
    with store.database.transaction() as cursor:
        store.images.add(cursor, record, [digest(blob) for blob in blobs], [digest(chain) for chain in chains])
        for name in names:
            reference = references.parse(name)
            if reference.digest:
                store.images.note_digest(cursor, reference.repository, reference.digest, record.id)
            else:
                store.images.tag(cursor, reference.with_default_tag(), record.id)


def test_find_by_name_digest_and_id(store: Store) -> None:
    record = image("one")
    add(store, record, "ubuntu:18.04", f"ubuntu@{digest('index')}")
    full = msgspec.structs.replace(
        record, tags=("docker.io/library/ubuntu:18.04",), digests=(f"docker.io/library/ubuntu@{digest('index')}",)
    )
    for text in (
        "ubuntu:18.04", "docker.io/library/ubuntu:18.04", f"ubuntu@{digest('index')}", record.id, record.id[7:],
        record.short_id, record.id[:20],
    ):
        assert store.images.find(text) == full


def test_a_name_wins_over_an_id_that_looks_the_same(store: Store) -> None:
    one, two = image("one"), image("two")
    add(store, one)
    add(store, two, f"{one.short_id}:latest")
    assert store.images.find(one.short_id).id == two.id
    assert store.images.find(one.id).id == one.id


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ubuntu", "ubuntu:latest"), ("localhost:5000/a:b", "localhost:5000/a:b"), ("deadbeef", "deadbeef:latest")],
)
def test_no_such_image(store: Store, text: str, shown: str) -> None:
    with pytest.raises(NotFound, match=f"^No such image: {shown}$"):
        store.images.find(text)


def test_an_ambiguous_prefix_is_refused(store: Store) -> None:
    records = [image(str(number)) for number in range(40)]
    for record in records:
        add(store, record)
    firsts = [record.id[7] for record in records]
    twice = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(InvalidInput, match="ambiguous"):
        store.images.find(twice)


def test_a_malformed_name_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="invalid reference format"):
        store.images.find("UPPER:::case")


def test_a_tag_moves(store: Store) -> None:
    one, two = image("one"), image("two", created=5.0)
    add(store, one, "a:1")
    add(store, two)
    with store.database.transaction() as cursor:
        assert store.images.tag(cursor, references.parse("a:1"), two.id) == one.id
        assert store.images.tag(cursor, references.parse("a:1"), two.id) is None
    assert [(found.id, found.tags) for found in store.images.all()] == [
        (two.id, ("docker.io/library/a:1",)), (one.id, ()),
    ]


def test_removing_returns_what_nobody_needs_any_more(store: Store) -> None:
    one, two = image("one"), image("two")
    add(store, one, "a", "b", blobs="cxy", chains="123")
    add(store, two, blobs="dxz", chains="14")
    with store.journal.operation("test", lambda action: None) as operation:
        operation.lease([digest("y"), digest("3")])
        with store.database.transaction() as cursor:
            blobs, chains = store.images.remove(cursor, one.id)
    assert blobs == [digest("c")]
    assert chains == [digest("2")]
    with pytest.raises(NotFound):
        store.images.find("a")


def test_chains_come_lowest_first(store: Store) -> None:
    record = image("one")
    letters = "qwertzuiop"
    add(store, record, chains=letters)
    with store.database.transaction() as cursor:
        assert store.images.remove(cursor, record.id)[1] == [digest(letter) for letter in letters]


def test_a_tag_remembers_as_what_and_when_its_image_came(store: Store) -> None:
    record = image("one")
    add(store, record, "a:1")
    first, second = references.parse("a:1"), references.parse("a:2")
    before = store.images.tagged(record.id)
    assert store.images.manifest_of(first) == record.manifest and before > 0
    with store.database.transaction() as cursor:
        store.images.tag(cursor, first, record.id, digest("another manifest"))
    assert store.images.manifest_of(first) == digest("another manifest")
    assert store.images.tagged(record.id) == before
    assert store.images.manifest_of(second) is None
    with store.database.transaction() as cursor:
        store.images.tag(cursor, second, record.id)
    assert store.images.tagged(record.id) > before


def test_an_image_knows_its_parent_and_its_children(store: Store) -> None:
    below = image("below")
    above = msgspec.structs.replace(image("above"), parent=below.id)
    for record in (below, above):
        add(store, record)
    assert store.images.get(above.id).parent == below.id
    assert [child.id for child in store.images.children(below.id)] == [above.id]
