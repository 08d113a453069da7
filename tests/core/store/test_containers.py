from __future__ import annotations

import pytest
from tests.core.store.conftest import image

from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from sampan.model.container import Container, ContainerSpec, Status
from sampan.store.store import Store


@pytest.fixture
def with_image(store: Store) -> Store:
    with store.database.transaction() as cursor:
        store.images.add(cursor, image("x"), [], [])
    return store


def container(number: int, name: str, **more: object) -> Container:
    fields = {
        "id": f"{number:064x}"[::-1], "name": name, "image_id": image("x").id, "spec": ContainerSpec(image="x"),
        "path": "sh", "created": float(number), "storage_driver": "s", "runtime": "r", "log_driver": "l",
        "network_driver": "n",
    }
    return Container(**{**fields, **more})  # type: ignore[arg-type]  # fields by name


def test_find_by_id_name_and_prefix(with_image: Store) -> None:
    one, two = container(0x1A, "one"), container(0x2A, "two")
    for record in (one, two):
        with_image.containers.add(record)
    assert with_image.containers.find("one") == one
    assert with_image.containers.find("/one") == one
    assert with_image.containers.find(one.id) == with_image.containers.get(one.id) == one
    assert with_image.containers.find("a2") == two
    with pytest.raises(InvalidInput, match="Multiple IDs found with provided prefix: a"):
        with_image.containers.find("a")
    with pytest.raises(NotFound, match="No such container: nobody"):
        with_image.containers.find("nobody")
    assert with_image.containers.all() == [two, one]


def test_a_name_is_taken_once(with_image: Store) -> None:
    first = container(1, "web")
    with_image.containers.add(first)
    assert with_image.containers.taken("web")
    with pytest.raises(AlreadyExists, match=f'The container name "/web" is already in use by container "{first.id}"'):
        with_image.containers.add(container(2, "web"))


def test_the_image_must_be_there(store: Store) -> None:
    with pytest.raises(NotFound, match="No such image"):
        store.containers.add(container(1, "web"))


def test_states_change_only_from_where_they_may(with_image: Store) -> None:
    record = container(1, "web")
    with_image.containers.add(record)
    running = with_image.containers.update(record.id, expected=(Status.CREATED,), status=Status.RUNNING, pid=7)
    assert (running.status, running.pid) == (Status.RUNNING, 7)
    with pytest.raises(Conflict, match="container web is running"):
        with_image.containers.update(record.id, expected=(Status.CREATED,), status=Status.RUNNING)
    assert with_image.containers.with_status(Status.RUNNING, Status.PAUSED) == [running]
    assert with_image.containers.using(image("x").id) == [running]
    with with_image.database.transaction() as cursor:
        with_image.containers.remove(cursor, record.id)
    assert with_image.containers.all() == []
    with pytest.raises(NotFound):
        with_image.containers.update(record.id, pid=0)
