"""Choosing among images; tests/integration has the filters through the command."""

import pytest

from sampan.engine import images
from sampan.errors import InvalidInput


@pytest.mark.parametrize(("pattern", "text", "fits"), [
    ("ubu*", "ubuntu", True), ("*", "a/b", False), ("*/b", "a/b", True), ("b[ab]:?", "ba:1", True),
    ("a.c", "abc", False),
])
def test_reference_patterns(pattern, text, fits):
    assert bool(images._pattern(pattern).fullmatch(text)) is fits


def test_what_is_no_pattern():
    with pytest.raises(InvalidInput, match="syntax error in pattern"):
        images._pattern("[z-a]")
