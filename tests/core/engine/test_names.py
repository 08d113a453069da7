"""Test ids and names."""

from __future__ import annotations

import re

import pytest

from sampan.engine import names
from sampan.errors import AlreadyExists, InvalidInput


def test_ids_are_sixty_four_digits_and_differ() -> None:
    ids = {names.container_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in ids)
    assert not any(one[:12].isdecimal() for one in ids)


def test_the_word_lists_are_large_and_plain() -> None:
    adjectives, surnames = names.ADJECTIVES.split(), names.SURNAMES.split()
    assert len(set(adjectives)) == len(adjectives) >= 100
    assert len(set(surnames)) == len(surnames) >= 200
    assert all(re.fullmatch("[a-z]+", word) for word in adjectives + surnames)


def test_a_name_is_adjective_and_surname() -> None:
    adjective, surname = names.generate(lambda _: False).split("_")
    assert adjective in names.ADJECTIVES.split()
    assert surname in names.SURNAMES.split()


def test_a_taken_name_gets_a_digit() -> None:
    asked: list[str] = []

    def taken(name: str) -> bool:
        asked.append(name)
        return len(asked) < 3

    assert re.fullmatch(r"[a-z]+_[a-z]+\d", names.generate(taken))
    assert len(asked) == 3


def test_all_names_taken() -> None:
    with pytest.raises(AlreadyExists, match="no free container name"):
        names.generate(lambda _: True)


@pytest.mark.parametrize("name", ["web", "a1", "A.b-c_d", "0x", "/web"])
def test_good_names(name: str) -> None:
    assert names.check_name(name) == name.lstrip("/")


@pytest.mark.parametrize("name", ["", "a", "a/b", "-a", ".a", "_a", "a b", "é1", "aé", "//ab", "ab\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        names.check_name(name)
    assert caught.value.message == f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
