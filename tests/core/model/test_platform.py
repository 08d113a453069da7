from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan.model import platform as platforms


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("linux/amd64", "linux/amd64"), ("linux/x86_64", "linux/amd64"), ("arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"), ("linux/arm", "linux/arm/v7"), ("LINUX/ARM/V6", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"), ("linux", str(platforms.host())),
    ],
)
def test_parse(text: str, written: str) -> None:
    assert str(platforms.parse(text)) == written


@pytest.mark.parametrize("text", ["", "linux/", "/amd64", "a/b/c/d"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid platform"):
        platforms.parse(text)


def test_matches() -> None:
    parse = platforms.parse
    assert platforms.matches(parse("linux/arm64"), parse("linux/arm64/v8"))
    assert platforms.matches(parse("linux/arm/v7"), parse("linux/arm"))
    assert not platforms.matches(parse("linux/arm/v6"), parse("linux/arm/v7"))
    assert not platforms.matches(parse("linux/amd64"), parse("linux/arm64"))
    assert not platforms.matches(parse("linux/amd64"), parse("windows/amd64"))
