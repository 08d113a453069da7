"""Send content that need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampan.errors import Corrupt

if TYPE_CHECKING:
    from sampan.contracts.registry import Content

_CHUNK = 1 << 20


class Body:
    """A request's body of ``len()`` bytes, from where ``content`` stands; begun anew each time it is iterated over."""

    def __init__(self, content: Content, size: int) -> None:
        self._content = content
        self._start = content.tell()
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        self._content.seek(self._start)
        left = self._size
        while left:
            chunk = self._content.read(min(_CHUNK, left))
            if not chunk:
                raise Corrupt(f"content ends {left} bytes before the {self._size} promised")
            left -= len(chunk)
            yield chunk
