"""Run another process in a running container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from sampan.contracts.runtime import Stdio
from sampan.errors import Conflict
from sampan.model import runtime_spec as oci

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


class ExecRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and how it differs from the container's first process. ``env`` adds to the container's."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    terminal: bool = False
    privileged: bool = False
    console_size: tuple[int, int] | None = None


class Execution:
    """A process started by exec; a child of the caller. ``console`` is its terminal's master, the caller's to close."""

    def __init__(self, pid: int, console: int | None) -> None:
        self.pid = pid
        self.console = console

    def wait(self) -> int:
        """Wait for its end; return the exit code, 128 plus the signal for one that was killed."""
        _, status = os.waitpid(self.pid, 0)
        return exit_code(status)


def exit_code(status: int) -> int:
    """Return a waitpid(2) status as a shell shows it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def exec_(engine: Engine, text: str, request: ExecRequest, stdio: Stdio) -> Execution:
    """Join the container's namespaces and confinement and run the command there."""
    from sampan.engine import bundle
    from sampan.kernel import processes

    container = engine.container(text)
    if container.status == "paused":
        raise Conflict(f"Container {container.name} is paused, unpause the container before exec")
    if not container.alive:
        raise Conflict(f"container {container.id} is not running")
    spec = bundle.load(engine.layout.bundle(container.id))
    process = bundle.exec_process(container, spec, request)
    if request.console_size:
        process.console_size = oci.ConsoleSize(height=request.console_size[0], width=request.console_size[1])
    processes.become_subreaper()
    started = engine.runtime(container.runtime).exec(container.id, process, stdio)
    return Execution(started.pid, started.console)
