"""Run the programs that a bundle names for moments of its container's life (runtime-spec, config.md, "Hooks")."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence

import msgspec

from sampan.errors import SampanError, Unavailable
from sampan.model.runtime_spec import Hook
from sampan_plugins.runtimes.native import bundles, child, trampoline
from sampan_plugins.runtimes.native.manner import Manner
from sampan_plugins.runtimes.native.state import State

_SHOWN = 4096  # bytes of a failed hook's output


def run(kind: str, hooks: Sequence[Hook], state: bytes, become: Callable[[Hook, int], None] | None = None) -> None:
    """Run hooks in order, each given the container's state to read. Raises Unavailable at the first that fails.

    A child of the caller becomes the hook by ``become``, which is told the descriptor of the output and never
    returns; by default the hook's path is executed where the caller is, in the directory where it is.
    """
    for number, hook in enumerate(hooks):
        failure = _run(hook, state, become or _execute)
        if failure:
            raise Unavailable(f"{kind} hook #{number} ({hook.path}) failed: {failure}")


def run_last(state: State, manner: Manner) -> None:
    """Run the poststop hooks of a container that is gone. Those that fail are told of, and the others run."""
    for hook in state.hooks.poststop if state.hooks else ():
        try:
            run("poststop", [hook], msgspec.json.encode(state.document("stopped")))
        except SampanError as error:
            manner.warn(str(error))


def _run(hook: Hook, state: bytes, become: Callable[[Hook, int], None]) -> str | None:
    # Files, not pipes: nothing to fill, and what a hook leaves running holds nobody up.
    given, said = os.memfd_create("state"), os.memfd_create("output")
    try:
        os.write(given, state)
        os.lseek(given, 0, os.SEEK_SET)
        with child.signals_blocked():
            pid = os.fork()
            if pid == 0:
                try:
                    os.dup2(given, 0)
                    os.dup2(said, 1)
                    os.dup2(said, 2)
                    become(hook, said)
                except BaseException as error:
                    os.write(2, str(error).encode())  # the other descriptor may be closed by now
                finally:
                    os._exit(127)
        failure = _wait(pid, hook.timeout)
        return f"{failure}, output: {_shown(said)}" if failure else None
    finally:
        os.close(given)
        os.close(said)


def _wait(pid: int, timeout: int | None) -> str | None:
    """Return how a hook failed, or None."""
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        in_time = bool(poll.poll(None if timeout is None else timeout * 1000))
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(handle)
    if not in_time:
        return f"it took longer than {timeout} s"
    return None if code == 0 else f"exit status {code}" if code > 0 else f"killed by signal {-code}"


def _shown(said: int) -> str:
    content = os.pread(said, _SHOWN, 0)
    if content[:1] == trampoline.LETTER and len(content) > 1:
        path, error = trampoline.failure(content)
        return f"exec {path}: {(error.strerror or '').lower()}"
    return content.decode(errors="replace").strip() or "none"


def _execute(hook: Hook, _: int) -> None:
    child.close_all_but(())
    child.reset_signals()
    os.execve(hook.path, hook.args or [hook.path], bundles.environment(hook.env))
