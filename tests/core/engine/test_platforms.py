from __future__ import annotations

import pytest

from sampan.engine import platforms
from sampan.errors import NotFound, Unsupported
from sampan.model.descriptor import Descriptor
from sampan.model.digest import of
from sampan.model.image import ImageConfig, Index
from sampan.model.platform import Platform, host


def index(*entries: str) -> Index:
    return Index(tuple(
        Descriptor("m", of(entry.encode()), 1, platform=_platform(entry) if entry else None) for entry in entries
    ))


def _platform(text: str) -> Platform:
    parts = [*text.split("/"), ""]
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2])


@pytest.mark.parametrize(
    ("wanted", "entries", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64", "windows/amd64"], "linux/amd64"),
        ("linux/amd64", ["unknown/unknown", "linux/amd64"], "linux/amd64"),
        ("linux/arm64", ["linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/amd64", ["linux/amd64/v2", "linux/amd64"], "linux/amd64"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64"),
        ("linux/amd64", ["linux/arm64", ""], ""),
    ],
)
def test_choose(wanted: str, entries: list[str], chosen: str) -> None:
    assert platforms.choose(index(*entries), platforms.wanted(wanted)).digest == of(chosen.encode())


def test_no_match_is_told_in_dockers_words() -> None:
    with pytest.raises(NotFound, match=r"^no matching manifest for linux/s390x in the manifest list entries$"):
        platforms.choose(index("linux/amd64", "linux/arm/v7"), platforms.wanted("linux/s390x"))
    with pytest.raises(NotFound, match="linux/arm/v6"):
        platforms.choose(index("linux/arm/v7"), platforms.wanted("linux/arm/v6"))


def test_nothing_asked_means_this_machine() -> None:
    assert platforms.wanted("") == host()


def test_check() -> None:
    wanted = platforms.wanted("linux/s390x")
    platforms.check(ImageConfig(architecture="amd64"), wanted, False, "x")
    platforms.check(ImageConfig(architecture="s390x"), wanted, True, "x")
    with pytest.raises(NotFound, match="wanted linux/s390x, actual: linux/amd64"):
        platforms.check(ImageConfig(architecture="amd64"), wanted, True, "x")
    with pytest.raises(Unsupported, match='operating system "windows" cannot be used'):
        platforms.check(ImageConfig(architecture="s390x", os="windows"), wanted, False, "x")
