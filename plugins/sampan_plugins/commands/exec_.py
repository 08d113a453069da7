"""Execute a command in a running container."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import Conflict, NotFound, SampanError
from sampan_plugins.commands._flags import ENVIRONMENT, unicode

if TYPE_CHECKING:
    from sampan.contracts.runtime import Stdio
    from sampan.engine.exec_ import ExecRequest, Execution


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``exec``."""
    return exec_


@command("exec", interspersed=False)
@click.option("--detach", "-d", is_flag=True, help="Run in the background")
@click.option("--detach-keys", metavar="string", help="Keys that detach from the command")
@click.option("--env", "-e", type=ENVIRONMENT, multiple=True, metavar="list", help="Set an environment variable")
@click.option("--env-file", multiple=True, metavar="list", help="Read environment variables from a file")
@click.option("--interactive", "-i", is_flag=True, help="Keep stdin open even if not attached")
@click.option("--privileged", is_flag=True, help="Give the command all privileges")
@click.option("--tty", "-t", is_flag=True, help="Give the command a terminal")
@click.option("--user", "-u", metavar="string", default="", help="User, and group, by name or id (USER[:GROUP])")
@click.option("--workdir", "-w", metavar="string", default="", help="Working directory in the container")
@click.argument("container", metavar="CONTAINER")
@click.argument("words", metavar="COMMAND [ARG...]", nargs=-1, required=True)
@pass_context
def exec_(
    context: Context, container: str, words: tuple[str, ...], detach: bool, detach_keys: str | None,
    env: tuple[str, ...], env_file: tuple[str, ...], interactive: bool, privileged: bool, tty: bool, user: str,
    workdir: str,
) -> int:  # fmt: skip
    """Execute a command in a running container."""
    from sampan.cli import terminal
    from sampan.engine.exec_ import ExecRequest
    from sampan_plugins.commands._environment import environment

    terminal.complete_streams()
    if not detach:
        terminal.require_terminal(interactive=interactive, tty=tty)
    keys = terminal.parse_detach_keys(detach_keys or context.settings.detach_keys)
    request = ExecRequest(
        command=unicode(words), env=unicode(environment(env_file, env)), user=user, workdir=workdir, terminal=tty,
        privileged=privileged, console_size=terminal.size() if tty else None,
    )  # fmt: skip
    if detach:
        return _in_background(context, container, request)
    if tty:
        return _on_terminal(context, container, request, interactive, keys)
    return _through_pipes(context, container, request, interactive)


def _begin(context: Context, container: str, request: ExecRequest, stdio: Stdio) -> Execution:
    """Run the command; what keeps it from running in a container that does run makes the exit code 126."""
    try:
        return context.engine.exec(container, request, stdio)
    except (NotFound, Conflict):
        raise
    except SampanError as error:
        error.exit_code = error.exit_code or 126
        raise


def _in_background(context: Context, container: str, request: ExecRequest) -> int:
    from sampan.contracts.runtime import Stdio

    try:
        execution = context.engine.exec(container, request, Stdio())
    except SampanError as error:
        error.exit_code = 1
        raise
    if execution.console is not None:
        _keep_open(context, execution)
    return 0


def _on_terminal(context: Context, container: str, request: ExecRequest, interactive: bool, keys: bytes) -> int:
    from sampan.cli import terminal
    from sampan.cli.relay import ExecutionRelay, converse
    from sampan.contracts.runtime import Stdio

    execution = _begin(context, container, request, Stdio())
    console = execution.console
    assert console is not None
    relay = ExecutionRelay(execution, 0 if interactive else None, console, {console: 1}, keys)
    sys.stdout.flush()
    converse(
        relay, lambda height, width: terminal.set_size(console, height, width), tty=True, interactive=interactive
    )
    if relay.detached:
        sys.stderr.write("read escape sequence\n")
        _keep_open(context, execution)
        return 1
    return execution.wait()


def _through_pipes(context: Context, container: str, request: ExecRequest, interactive: bool) -> int:
    """Relay through fresh pipes.

    The caller's own descriptors are never handed over: what is opened anew through /proc/self/fd would be the host's
    file, and a process left behind in the background would keep the caller's pipes open after the command has ended.
    """
    from sampan.cli.relay import ExecutionRelay, converse
    from sampan.contracts.runtime import Stdio

    out, out_end = os.pipe2(os.O_CLOEXEC)
    errors, errors_end = os.pipe2(os.O_CLOEXEC)
    given, sink = os.pipe2(os.O_CLOEXEC) if interactive else (None, None)
    try:
        execution = _begin(context, container, request, Stdio(stdin=given, stdout=out_end, stderr=errors_end))
    finally:
        for theirs in (out_end, errors_end, given):
            if theirs is not None:
                os.close(theirs)
    sys.stdout.flush()
    relay = ExecutionRelay(execution, 0 if interactive else None, sink, {out: 1, errors: 2})
    converse(relay, lambda height, width: None, tty=False, interactive=interactive)
    return execution.wait()


def _keep_open(context: Context, execution: Execution) -> None:
    """Leave a process behind that holds and drains the terminal: without it the command would be hung up on."""
    console = execution.console
    assert console is not None
    context.close()
    if os.fork():
        return
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.set_blocking(console, True)
        while os.read(console, 1 << 16):
            pass
    finally:
        os._exit(0)
