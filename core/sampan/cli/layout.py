"""Lay out help: two columns, the second wrapped at the terminal's width."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence


def columns(rows: Sequence[tuple[str, str]], gap: int = 3) -> str:
    """Return the rows, the left column padded to its longest and the right one wrapped beside it."""
    left = max((len(first) for first, _ in rows), default=0)
    width = max(_width() - 2 - left - gap, 24)
    lines = []
    for first, text in rows:
        head, *rest = list(_wrap(text, width)) or [""]
        lines.append(f"  {first:<{left}}{' ' * gap}{head}".rstrip())
        lines += [" " * (2 + left + gap) + line for line in rest]
    return "\n".join(lines)


def _wrap(text: str, width: int) -> Iterable[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def _width() -> int:
    for descriptor in (1, 2):
        try:
            return max(os.get_terminal_size(descriptor).columns, 40)
        except OSError:
            continue
    return 80
