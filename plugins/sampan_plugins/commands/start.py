"""Start one or more stopped containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, SampanError

if TYPE_CHECKING:
    from sampan.engine.attach import Attachment
    from sampan.engine.progress import Event


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``start``."""
    return start


@command("start")
@click.option("--attach", "-a", is_flag=True, help="Attach stdout and stderr and pass on signals")
@click.option("--detach-keys", metavar="string", help="Keys that detach from the container")
@click.option("--interactive", "-i", is_flag=True, help="Attach the container's stdin")
@click.argument("containers", metavar="CONTAINER [CONTAINER...]", nargs=-1, required=True)
@pass_context
def start(
    context: Context, containers: tuple[str, ...], attach: bool, detach_keys: str | None, interactive: bool
) -> int:
    """Start one or more stopped containers."""
    from sampan.cli import terminal

    terminal.complete_streams()
    if attach or interactive:
        if len(containers) > 1:
            raise InvalidInput("you cannot start and attach multiple containers at once")
        return _attached(context, containers[0], detach_keys, interactive)
    from sampan_plugins.commands._each import each

    def launch(name: str) -> None:
        context.engine.start(name, report=_tell)

    if failed := each(containers, launch):
        raise SampanError(f"failed to start containers: {', '.join(failed)}")
    return 0


def _tell(event: Event) -> None:
    click.echo(f"{event.id}: {event.action}", err=True)


def _attached(context: Context, name: str, keys: str | None, interactive: bool) -> int:
    from sampan.cli import terminal
    from sampan_plugins.commands import _conversation

    container = context.engine.container(name)
    tty = container.spec.terminal
    streams = _conversation.Streams(stdin=interactive and container.spec.open_stdin, tty=tty)
    terminal.require_terminal(interactive=streams.stdin, tty=tty)
    size = terminal.size() if tty else None

    def launch() -> Attachment | None:
        try:
            return context.engine.start(container.id, attach=True, size=size, report=_tell)
        except SampanError as error:
            error.exit_code = 1  # the codes for commands that cannot be executed are those of run and exec
            raise

    keys_to_leave = _conversation.detach_keys(context, keys)
    return _conversation.converse_with(context, launch, streams, keys_to_leave, proxy=True) or 0
