"""Sort names as people do."""

from __future__ import annotations

import re


def natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers in a text by their value."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]
