"""Tell that the kernel kills processes of a container for want of memory, as it happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.engine import events, limits
from sampan.errors import SampanError

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container


class Shortage:
    """Notices each want of memory in one run of a container.

    ``descriptor`` can be read when there is one to notice, and is -1 where that cannot be had. ``count`` is how many
    there have been.
    """

    def __init__(self, engine: Engine, container: Container, descriptor: int = -1, count: int = 0) -> None:
        self._engine = engine
        self._container = container
        self.descriptor = descriptor
        self.count = count

    def watch(self) -> None:
        """Have the descriptor made, now that the container has its control group."""
        try:
            self.descriptor = limits.group(self._container).watch_shortages()
        except (OSError, SampanError):
            pass  # there are no control groups, or they do not tell

    def notice(self) -> None:
        """Tell what has happened since the last call, and note it on the record. Whatever fails, the container runs."""
        try:
            count = limits.group(self._container).shortages(self.descriptor, self.count)
            if count > self.count:
                self.count = count
                killed = not self._container.spec.limits.oom_kill_disable
                self._tell(self._engine.store.containers.update(self._container.id, oom_killed=killed))
        except (OSError, SampanError):
            pass

    def settle(self) -> bool:
        """Tell the last of it, before the control group goes; return whether any process has been killed."""
        if self.descriptor >= 0:
            self.notice()
        try:
            killed = limits.group(self._container).oom_kills() > 0
        except (OSError, SampanError):
            return False  # there are no control groups, and nobody has counted
        if killed and not self.count:
            self._tell(self._engine.store.containers.get(self._container.id))
        return killed

    def close(self) -> None:
        """Stop watching."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _tell(self, container: Container) -> None:
        events.container(self._engine, container, "oom")
