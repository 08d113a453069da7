"""Create, start, signal and delete containers: the operations of the runtime specification, and ``run``."""

from __future__ import annotations

import os
from contextlib import ExitStack

from sampan.contracts.runtime import Started
from sampan.errors import Conflict, InvalidInput, NotFound, Unsupported
from sampan.kernel import processes
from sampan_plugins.runtimes.native.cli.context import (
    CONSOLE_SOCKET,
    PID_FILE,
    PRESERVE_FDS,
    STREAMS,
    Context,
    container_of,
    preserved,
    write_pid,
)
from sampan_plugins.runtimes.native.cli.options import Given, Option
from sampan_plugins.runtimes.native.driver import NativeRuntime

_CREATION = (
    Option("bundle", "the directory of the bundle, by default the current one", "path", "b", default="."),
    CONSOLE_SOCKET,
    PID_FILE,
    Option("no-pivot", "not supported: pivot_root is what keeps a container inside"),
    Option("no-new-keyring", "let the container keep the caller's session keyring"),
    PRESERVE_FDS,
)


def create(context: Context, given: Given) -> int:
    """Build a container, which waits to be started."""
    container = container_of(given, "create")
    processes.become_subreaper()  # a process that fails before all is built must be reaped
    with ExitStack() as stack:
        _create(context, given, container, stack, detached=True)
    return 0


def _create(
    context: Context, given: Given, container: str, stack: ExitStack, *, detached: bool
) -> tuple[NativeRuntime, Started]:
    """Create a container. In the foreground its terminal stays with the caller, else it is sent away."""
    if given.on("no-pivot"):
        raise Unsupported("sampan-oci makes no container without pivot_root",
                          "keep the root file system off the initial ramdisk")
    runtime = context.runtime(preserved=preserved(given), keyring=not given.on("no-new-keyring"))
    console = None
    if given.text("console-socket"):
        if not detached:
            raise InvalidInput("cannot use a console socket without detaching")
        from sampan_plugins.runtimes.native.cli.console import Console

        console = stack.enter_context(Console(given.text("console-socket")))
    started = runtime.create(container, given.text("bundle"), STREAMS)
    try:
        if console and started.console is None:
            raise InvalidInput("cannot use a console socket for a process without a terminal")
        if detached and started.console is not None:
            if console is None:
                os.close(started.console)
                raise InvalidInput("cannot allocate a terminal when detached without a console socket",
                                   "give --console-socket")
            console.send(started.console)
        if given.text("pid-file"):
            write_pid(given.text("pid-file"), started.pid)
    except BaseException:
        runtime.delete(container, force=True)
        raise
    return runtime, started


def start(context: Context, given: Given) -> int:
    """Let the command of a created container run."""
    container = container_of(given, "start")
    _, status = context.state(container)
    if status == "stopped":
        raise Conflict("cannot start a container that has stopped")
    if status != "created":
        raise Conflict(f"cannot start an already running container: it is {status}")
    context.runtime().start(container)
    return 0


def run(context: Context, given: Given) -> int:
    """Create and start a container; unless detached, wait for its end, delete it and return its exit code."""
    container = container_of(given, "run")
    detached = given.on("detach")
    if not given.on("no-subreaper"):
        processes.become_subreaper()
    from sampan_plugins.runtimes.native.cli.foreground import Foreground

    with ExitStack() as stack:
        runtime, started = _create(context, given, container, stack, detached=detached)
        try:
            foreground = stack.enter_context(Foreground())
            runtime.start(container)
            if detached:
                return 0
            return foreground.wait(started.pid, started.console)
        except BaseException:
            detached = False
            raise
        finally:
            if not detached and not given.on("keep"):
                runtime.delete(container, force=True)


def delete(context: Context, given: Given) -> int:
    """Remove what a container that has ended leaves; by force end it first, and one that is not there is no failure."""
    container = container_of(given, "delete")
    force = given.on("force")
    try:
        _, status = context.state(container)
    except NotFound:
        if not force:
            raise
        status = "stopped"
    if status != "stopped" and not force:
        raise Conflict(f"cannot delete container {container} that is not stopped: {status}")
    context.runtime().delete(container, force=force)
    return 0


def kill(context: Context, given: Given) -> int:
    """Send a signal to a container's first process, or to all its processes."""
    container = container_of(given, "kill", most=2)
    number = _signal(given.arguments[1] if len(given.arguments) > 1 else "TERM")
    state, status = context.state(container)
    runtime = context.runtime()
    others = [pid for pid in runtime.pids(container) if pid != state.pid] if given.on("all") else []
    try:
        if status == "stopped":
            raise NotFound(f"no process {state.pid}")
        runtime.signal(container, number)
    except NotFound:
        if not given.on("all"):
            raise Conflict("container not running") from None
    for pid in others:
        _send(pid, number)
    return 0


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _signal(word: str) -> int:
    import signal

    try:
        number = int(word) if word.isdigit() else signal.Signals[f"SIG{word.upper().removeprefix('SIG')}"]
        if number in signal.valid_signals():
            return int(number)
    except KeyError:
        pass
    raise InvalidInput(f"unknown signal {word!r}")


def pause(context: Context, given: Given) -> int:
    """Freeze a container."""
    container = container_of(given, "pause")
    context.state(container)
    context.runtime().pause(container)
    return 0


def resume(context: Context, given: Given) -> int:
    """Thaw a container."""
    container = container_of(given, "resume")
    context.state(container)
    context.runtime().resume(container)
    return 0


_DETACH = Option("detach", "do not wait for the container's end", letter="d")
_KEEP = Option("keep", "do not delete the container when it has ended")
_NO_SUBREAPER = Option("no-subreaper", "leave orphans of the container to another process")
_FORCE = Option("force", "end the container first, if it still runs", letter="f")
_ALL = Option("all", "send it to all processes of the container", letter="a")
COMMANDS = {
    "create": ("<container-id>", _CREATION, create),
    "delete": ("<container-id>", (_FORCE,), delete),
    "kill": ("<container-id> [signal]", (_ALL,), kill),
    "pause": ("<container-id>", (), pause),
    "resume": ("<container-id>", (), resume),
    "run": ("<container-id>", (*_CREATION, _DETACH, _KEEP, _NO_SUBREAPER), run),
    "start": ("<container-id>", (), start),
}
