"""Tests of giving containers other names."""

from __future__ import annotations

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import AlreadyExists, InvalidInput, NotFound


def test_a_running_container_keeps_its_new_name(bench: Bench) -> None:
    container = bench.start("sleep", "100", name="old")
    bench.engine.rename("old", "/new")
    assert bench.engine.container("new").id == container.id
    bench.engine.kill("new")
    assert bench.engine.container("new").exit_code == 137
    with pytest.raises(NotFound):
        bench.engine.container("old")
    bench.create("true", name="old")


def test_what_is_no_new_name(bench: Bench) -> None:
    one, other = bench.create("true", name="one"), bench.create("true", name="other")
    with pytest.raises(AlreadyExists, match=f'Error when allocating new name: Conflict.*"/other".*"{other.id}"'):
        bench.engine.rename("one", "other")
    for name in ("a", "b d", "-x"):
        with pytest.raises(InvalidInput, match=r"Error when allocating new name: Invalid container name \(/"):
            bench.engine.rename("one", name)
    with pytest.raises(InvalidInput, match="same name as its current name"):
        bench.engine.rename(one.id, "one")
    for words in (("one", ""), ("", "two")):
        with pytest.raises(InvalidInput, match="Neither old nor new names may be empty"):
            bench.engine.rename(*words)
    assert bench.engine.container(one.id).name == "one"
