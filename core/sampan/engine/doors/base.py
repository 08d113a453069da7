"""Lead from the doors of one theme to the engine that they are a part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


class Doors:
    """The verbs of one theme. ``Engine`` is made of all of them, and the verbs' modules take that."""

    @property
    def _engine(self) -> Engine:
        """The engine itself."""
        raise NotImplementedError
