from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan_plugins.runtimes.native.cli.options import Option, described, parse

OPTIONS = (
    Option("bundle", "where", "path", "b", default="."), Option("detach", "stay not", letter="d"),
    Option("env", "variables", "NAME=value", "e", repeated=True), Option("count", "how many", "n"),
)


@pytest.mark.parametrize("words", [
    ["--bundle", "/x", "--detach"], ["-bundle=/x", "-d"], ["-b", "/x", "-detach=true"],
    ["--bundle=/y", "--b=/x", "--d"],
])
def test_ways_to_write_the_same(words: list[str]) -> None:
    given = parse(OPTIONS, [*words, "id", "--detach=false", "-x"])
    assert given.text("bundle") == "/x"
    assert given.on("detach")
    assert given.arguments == ["id", "--detach=false", "-x"]


def test_what_is_not_given() -> None:
    given = parse(OPTIONS, ["-e", "a=b", "-e", "c=d=e", "--", "-b"])
    assert given.text("bundle") == "."
    assert not given.on("detach")
    assert given.number("count") is None
    assert given.texts("env") == ["a=b", "c=d=e"]
    assert given.arguments == ["-b"]


@pytest.mark.parametrize(("words", "message"), [
    (["--bogus"], "flag provided but not defined: -bogus"), (["-b"], "flag needs an argument: -b"),
])
def test_mistakes(words: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse(OPTIONS, words)


def test_a_number_that_is_none() -> None:
    with pytest.raises(InvalidInput, match="not a number"):
        parse(OPTIONS, ["--count", "x"]).number("count")


def test_the_table_of_help() -> None:
    assert described(OPTIONS).splitlines()[:2] == [
        '   --bundle path, -b path           where (default: ".")', "   --detach, -d                     stay not"]
