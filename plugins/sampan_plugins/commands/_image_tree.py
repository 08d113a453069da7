"""Draw images as a tree, each with the platforms it is for, as docker 28 does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.cli import terminal, units
from sampan.model import reference as references

if TYPE_CHECKING:
    from sampan.model.disk_usage import ImageUsage

_GAP = "   "
_NARROWEST = 12
_COLUMNS = (("ID", 12), ("DISK USAGE", 10), ("CONTENT SIZE", 12), ("EXTRA", 5))
_BOLD, _NAME, _FAINT, _CHIP, _END = "\x1b[1m", "\x1b[34m\x1b[1m", "\x1b[2m", "\x1b[48;5;14m\x1b[30m", "\x1b[0m"


def drawn(usages: Sequence[ImageUsage]) -> str:
    """Return the tree, as wide as the terminal or 80 columns, with colours where it goes to a terminal."""
    colours = terminal.is_terminal(1)
    width = max(20, terminal.size()[1]) if colours and terminal.size() else 80  # type: ignore[index]  # asked just now
    return _Tree(usages, width, colours).text()


class _Tree:
    def __init__(self, usages: Sequence[ImageUsage], width: int, colours: bool) -> None:
        self._usages = usages
        self._width = width
        self._colours = colours
        self._name, self._columns = self._fitted()

    def _fitted(self) -> tuple[int, tuple[tuple[str, int], ...]]:
        """Return the width of the first column, and the others as far as they leave it room."""
        name, count = self._width, 0
        for _, width in _COLUMNS:
            if name - width - len(_GAP) < _NARROWEST:
                break
            name -= width + len(_GAP)
            count += 1
        widest = max((len(text) for usage in self._usages for text in (*_names(usage), _branch(usage))), default=0)
        return min(name, max(widest, len("IMAGE"))), _COLUMNS[:count]

    def text(self) -> str:
        lines = [self._legend(), "", self._header()]
        for usage in self._usages:
            *more, name = _names(usage)
            colour = _NAME if usage.image.tags else _FAINT
            lines += [self._painted(_cut(one, self._width), colour) for one in more]
            lines += [self._row(name, usage, colour), self._row(_branch(usage), usage), ""]
        return "\n".join(lines[:-1] if self._usages else lines)

    def _legend(self) -> str:
        if not self._colours:
            return "Info ->  U In Use ".rjust(self._width)
        text = f"\x1b[1m\x1b[106m\x1b[30mi{_END} \x1b[96mInfo → {_END} {_CHIP} U {_END} In Use "
        return " " * (self._width - len("i Info →   U  In Use ")) + text

    def _header(self) -> str:
        titles = (self._painted(title, _BOLD) + " " * (width - len(title)) for title, width in self._columns)
        return self._painted("IMAGE", _BOLD) + " " * (self._name - 5) + _GAP + _GAP.join(titles)

    def _row(self, name: str, usage: ImageUsage, colour: str = "") -> str:
        chip = self._painted(" U ", _CHIP) if usage.containers else "   "
        cells = (usage.image.short_id, f"{_size(usage.size):>10}", f"{_size(usage.content):>12}", f"{chip}  ")
        name = _cut(name, self._name)
        return _GAP.join(
            (self._painted(name, colour) + " " * (self._name - len(name)), *cells[: len(self._columns)])
        ).rstrip()

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_END}" if self._colours and colour else text


def _names(usage: ImageUsage) -> list[str]:
    """Return the tags, the shortest last, for it stands beside the figures."""
    names = (references.parse(tag).familiar for tag in usage.image.tags)
    return sorted(names, key=lambda name: (-len(name), name)) or ["<untagged>"]


def _branch(usage: ImageUsage) -> str:
    return f"└─ {usage.platform}"


def _size(size: int) -> str:
    return units.human_size(size)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
