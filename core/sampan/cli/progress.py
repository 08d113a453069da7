"""Show long work: a line with a bar per layer on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import TextIO

from sampan.cli.units import human_size

_INTERVAL = 0.08
_BAR = 50


class Progress:
    """Prints to a stream what Docker prints while it pulls; used as a context manager.

    ``update`` tells of one item, ``line`` prints for good. On a terminal items are redrawn in place, below what was
    printed for good, a few times a second; elsewhere a change of action is a line and bars are left out.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._items: dict[str, tuple[str, int, int]] = {}
        self._drawn = 0
        self._next = 0.0

    def __enter__(self) -> Progress:
        if self._terminal:
            self._stream.write("\x1b[?25l")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._draw()
            self._stream.write("\x1b[?25h")
        self._stream.flush()

    def update(self, item: str, action: str, current: int = 0, total: int = 0) -> None:
        """Tell what is done to an item, and how far it is, in bytes."""
        before = self._items.get(item)
        if before == (action, current, total):
            return
        self._items[item] = (action, current, total)
        changed = before is None or before[0] != action
        if not self._terminal:
            if changed and not total:
                self._stream.write(f"{item}: {action}\n")
        elif changed or time.monotonic() >= self._next:
            self._draw()

    def line(self, text: str) -> None:
        """Print a line that stays. Items told of before stay above it."""
        if self._terminal:
            self._draw()
            self._items.clear()
            self._drawn = 0
        self._stream.write(text + "\n")
        self._stream.flush()

    def _draw(self) -> None:
        width, height = self._size()
        # What has scrolled off the top cannot be reached: draw only as many of the last items as fit.
        items = list(self._items.items())[-max(height - 1, 1) :]
        out = f"\x1b[{min(self._drawn, height - 1)}A" if self._drawn else ""
        for item, (action, current, total) in items:
            out += f"\r{_row(item, action, current, total, width)}\x1b[K\n"
        # A narrower window may have wrapped what was there: clear all that follows.
        self._stream.write(out + "\x1b[J")
        self._stream.flush()
        self._drawn = len(items)
        self._next = time.monotonic() + _INTERVAL

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24


def _row(item: str, action: str, current: int, total: int, width: int) -> str:
    text = f"{item}: {action}" if item else action
    if total > 0:
        amount = f"{human_size(min(current, total)):>8}/{human_size(total)}"
        done = min(current, total) * _BAR // total
        bar = ("=" * done + ">" + " " * (_BAR - done))[: _BAR + 1]
        wide = f"{text} [{bar}] {amount}"
        text = wide if len(wide) < width else f"{text} {amount}"
    elif current:
        text = f"{text} {human_size(current):>8}"
    # One short of the edge, so that no terminal wraps.
    return text[: width - 1]
