"""Create and run a new container from an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import CommandNotFound, InvalidInput, SampanError
from sampan_plugins.commands._flags import creation_flags

if TYPE_CHECKING:
    from sampan.engine.attach import Attachment


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``run``."""
    return run


@command("run", failure=125, interspersed=False)
@click.option("--detach", "-d", is_flag=True, help="Run in the background and print the container's id")
@click.option("--detach-keys", metavar="string", help="Keys that detach from the container")
@click.option("--sig-proxy", type=bool, default=True, help="Pass signals on to the process")
@creation_flags
@click.argument("image", metavar="IMAGE")
@click.argument("words", metavar="[COMMAND] [ARG...]", nargs=-1, required=False)
@pass_context
def run(
    context: Context, /, image: str, words: tuple[str, ...], detach: bool, detach_keys: str | None, sig_proxy: bool,
    **flags: Any,
) -> int:  # fmt: skip
    """Create and run a new container from an image."""
    from sampan.cli import terminal

    terminal.complete_streams()
    if detach:
        return _in_background(context, image, words, flags)
    from sampan_plugins.commands import _conversation, _creation

    attach, tty = _creation.attached(flags), flags["tty"]
    streams = _conversation.Streams(
        stdin=flags["interactive"] and "stdin" in attach, stdout="stdout" in attach, stderr="stderr" in attach, tty=tty,
    )
    terminal.require_terminal(interactive=streams.stdin, tty=tty)
    keys = _conversation.detach_keys(context, detach_keys)
    container = _creation.create(context, image, words, flags, attach)
    if not (streams.stdout or streams.stderr):
        click.echo(container.id)
    size = terminal.size() if tty else None
    code = _conversation.converse_with(
        context, lambda: _start(context, container.id, attach=True, size=size), streams, keys, proxy=sig_proxy
    )
    return code or 0


def _in_background(context: Context, image: str, words: tuple[str, ...], flags: dict[str, Any]) -> int:
    from sampan_plugins.commands._creation import create

    if flags["attach"]:
        error = InvalidInput("conflicting options: cannot specify both --attach and --detach")
        error.exit_code = 1
        raise error
    container = create(context, image, words, flags)
    _start(context, container.id)
    click.echo(container.id)
    return 0


def _start(context: Context, container: str, **how: Any) -> Attachment | None:
    """Start the container. Where a file of the host is missing, a device, Docker's exit code is as for a command."""
    try:
        return context.engine.start(container, **how)
    except SampanError as error:
        if error.message.endswith("no such file or directory"):
            error.exit_code = CommandNotFound.exit_code
        raise
