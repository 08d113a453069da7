"""Show how far long work is to whoever watches it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from sampan.engine.progress import Report


@contextmanager
def watched(stream: TextIO) -> Iterator[Report]:
    """Give what reports can be made to: shown on a terminal, and nowhere else."""
    from sampan.engine.progress import silent

    if not stream.isatty():
        yield silent
        return
    from sampan.cli.progress import Progress

    with Progress(stream) as progress:
        yield lambda event: progress.update(event.id, event.action, event.current, event.total)
