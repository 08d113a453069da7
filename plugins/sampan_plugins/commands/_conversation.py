"""Attach the caller's streams to a container until it ends or the user detaches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sampan.cli import terminal
from sampan.cli.relay import AttachmentRelay, converse
from sampan.cli.signals import Forwarding
from sampan.errors import SampanError

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.engine.attach import Attachment



class Streams:
    """Which of the caller's streams take part. ``tty``: the container's are a terminal."""

    def __init__(self, *, stdin: bool, stdout: bool = True, stderr: bool = True, tty: bool = False) -> None:
        self.stdin, self.stdout, self.stderr, self.tty = stdin, stdout, stderr, tty

    def outputs(self) -> dict[int, int]:
        """Return the caller's descriptor for each kind of frame that is to be shown."""
        from sampan.engine.wire import Kind

        chosen = ((Kind.OUTPUT, 1, self.stdout), (Kind.ERRORS, 2, self.stderr))
        return {kind: descriptor for kind, descriptor, shown in chosen if shown}


def detach_keys(context: Context, given: str | None) -> bytes:
    """Return the keys in force. Raises InvalidInput."""
    return terminal.parse_detach_keys(given or context.settings.detach_keys)


def converse_with(
    context: Context, connect: Callable[[], Attachment | None], streams: Streams, keys: bytes, *, proxy: bool,
    redraw: bool = False,
) -> int | None:  # fmt: skip
    """Connect and carry bytes; return the container's exit code, None when it goes on without the caller.

    With ``redraw`` a program on the terminal is made to draw itself anew. With ``proxy`` every signal the command gets
    is the container's, those that come while it starts too.
    """
    if not proxy or streams.tty:
        return _converse(context, connect, streams, keys, None, redraw)
    with Forwarding() as forwarding:
        return _converse(context, connect, streams, keys, forwarding, redraw)


def _converse(
    context: Context,
    connect: Callable[[], Attachment | None],
    streams: Streams,
    keys: bytes,
    forwarding: Forwarding | None,
    redraw: bool,
) -> int | None:
    attachment = connect()
    assert attachment is not None
    with attachment:
        container = attachment.container
        if forwarding:
            forwarding.to(lambda number: _kill(context, container.id, number))
        relay = AttachmentRelay(
            attachment, 0 if streams.stdin else None, streams.outputs(), keys if streams.tty else b""
        )
        sys.stdout.flush()
        if redraw and streams.tty and (size := terminal.size()):
            # A size that changes makes it SIGWINCH: one that did not would draw nothing on the new screen.
            attachment.resize(size[0] + 1, size[1] + 1)
            attachment.resize(*size)
        converse(relay, attachment.resize, tty=streams.tty, interactive=streams.stdin)
        if relay.detached:
            sys.stderr.write("read escape sequence\n")
            context.engine.detach(attachment)
            return None
        if relay.left:
            return None
        if attachment.exit_code is None:
            return context.engine.wait(container.id)
        return attachment.exit_code


def _kill(context: Context, container: str, number: int) -> None:
    try:
        context.engine.kill(container, str(number))
    except SampanError:
        pass  # it ended
