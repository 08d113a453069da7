from __future__ import annotations

from pathlib import Path

import pytest

from sampan.errors import AlreadyExists, InvalidInput, NotFound
from sampan.model.network import Network
from sampan.store.database import Database
from sampan.store.networks import Networks


@pytest.fixture
def networks(tmp_path: Path) -> Networks:
    return Networks(Database(str(tmp_path / "db")))


def _add(networks: Networks, *added: Network) -> None:
    for network in added:
        with networks._database.transaction() as cursor:
            networks.add(cursor, network)


def _network(number: str, name: str) -> Network:
    return Network(id=number * 64, name=name, driver="d")


def test_by_name_id_and_its_beginning(networks: Networks) -> None:
    one, two = _network("a", "one"), _network("b", "two")
    _add(networks, two, one)
    assert networks.all() == [one, two]
    assert networks.named("one") == networks.find("a" * 64) == networks.find("aaa") == one
    assert networks.named("aaa") is None
    for text in ("", "c", "a*", "[ab]"):
        with pytest.raises(NotFound, match="not found"):
            networks.find(text)


def test_a_beginning_that_fits_several(networks: Networks) -> None:
    _add(networks, Network(id="ab1", name="one", driver="d"), Network(id="ab2", name="two", driver="d"))
    with pytest.raises(InvalidInput, match="network ab is ambiguous"):
        networks.find("ab")


def test_a_name_is_given_once(networks: Networks) -> None:
    first, second = _network("a", "one"), _network("b", "one")
    _add(networks, first)
    with pytest.raises(AlreadyExists, match="network with name one already exists"):
        _add(networks, second)
    assert networks.settle(second) == first


def test_removing(networks: Networks) -> None:
    _add(networks, _network("a", "one"))
    with networks._database.transaction() as cursor:
        networks.remove(cursor, "a" * 64)
        networks.remove(cursor, "a" * 64)
    assert networks.all() == []
