"""Attach local standard input, output and error streams to a running container."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``attach``."""
    return attach


@command("attach")
@click.option("--detach-keys", metavar="string", help="Keys that detach from the container")
@click.option("--no-stdin", is_flag=True, help="Do not attach stdin")
@click.option("--sig-proxy", type=bool, default=True, help="Pass signals on to the process")
@click.argument("container", metavar="CONTAINER")
@pass_context
def attach(context: Context, container: str, detach_keys: str | None, no_stdin: bool, sig_proxy: bool) -> int:
    """Attach local standard input, output and error streams to a running container."""
    from sampan.cli import terminal
    from sampan_plugins.commands import _conversation

    terminal.complete_streams()
    found = context.engine.container(container)
    tty = found.spec.terminal
    streams = _conversation.Streams(stdin=not no_stdin and found.spec.open_stdin, tty=tty)
    terminal.require_terminal(interactive=streams.stdin, tty=tty)
    keys = _conversation.detach_keys(context, detach_keys)

    code = _conversation.converse_with(
        context, lambda: context.engine.attach(found.id), streams, keys, proxy=sig_proxy, redraw=True
    )
    return 1 if code is None else code
