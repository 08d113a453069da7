"""Open the doors to what runs: start it, talk to it, end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors
from sampan.engine.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.contracts.runtime import Stdio
    from sampan.engine.attach import Attachment
    from sampan.engine.exec_ import ExecRequest, Execution
    from sampan.engine.progress import Report
    from sampan.model.container import Container
    from sampan.model.usage import Usage


class Running(Doors):
    """Containers as they run: from their start to their end."""

    def start(
        self, container: str, *, attach: bool = False, size: tuple[int, int] | None = None, report: Report = silent
    ) -> Attachment | None:
        """Run a created or exited container under a monitor of its own; running already: nothing to do.

        With ``attach`` its streams are returned, connected before its first process begins; ``size`` is its
        terminal's height and width in characters. Raises CommandNotFound,
        CommandNotExecutable and whatever else keeps it from starting; then it is as it was. While another command
        has its tree open, as ``export`` does, it waits, and reports so.
        """
        from sampan.engine import start

        return start.start(self._engine, container, attach=attach, size=size, report=report)

    def attach(self, container: str) -> Attachment:
        """Connect to the streams of a running container. Raises Conflict unless it runs."""
        from sampan.engine import attach

        return attach.attach(self._engine, container)

    def detach(self, attachment: Attachment) -> None:
        """Leave a container's streams, because the user said so."""
        from sampan.engine import events

        attachment.close()
        events.container(self._engine, attachment.container, "detach")

    def exec(self, container: str, request: ExecRequest, stdio: Stdio) -> Execution:
        """Run another process in a running container."""
        from sampan.engine import exec_

        return exec_.exec_(self._engine, container, request, stdio)

    def pause(self, container: str) -> None:
        """Freeze every process of a container. Raises Conflict unless it runs."""
        from sampan.engine import pause

        pause.pause(self._engine, container)

    def unpause(self, container: str) -> None:
        """Let a paused container go on. Raises Conflict unless it is paused."""
        from sampan.engine import pause

        pause.unpause(self._engine, container)

    def top(self, container: str, options: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
        """Return titles and rows of what the host's ps(1) tells of a container's processes.

        ``options`` are ps's, ``-ef`` if there are none. Raises Conflict unless it runs.
        """
        from sampan.engine import top

        return top.top(self._engine, container, options)

    def usage(self, container: Container) -> Usage:
        """Return what a container has used of the machine so far; nothing where it does not run."""
        from sampan.engine import usage

        return usage.usage(self._engine, container)

    def kill(self, container: str, signal: str = "KILL") -> None:
        """Send a signal, by name or number, to a running container's first process."""
        from sampan.engine import stop

        stop.kill(self._engine, container, signal)

    def stop(self, container: str, *, timeout: int | None = None, signal: str = "") -> None:
        """Ask the container to end, by its stop signal or ``signal``; kill it after ``timeout`` seconds.

        None means the container's own time, ten seconds if it has none; -1 means wait for ever.
        """
        from sampan.engine import stop

        stop.stop(self._engine, container, timeout=timeout, signal=signal)

    def restart(self, container: str, *, timeout: int | None = None, signal: str = "") -> None:
        """Stop a container as ``stop`` does, and start it; one that does not run is only started."""
        from sampan.engine import stop

        stop.restart(self._engine, container, timeout=timeout, signal=signal)

    def wait(self, container: str) -> int:
        """Wait until a container is not running; return its exit code."""
        from sampan.engine import stop

        return stop.wait(self._engine, container)
