"""Carry bytes between the caller's standard streams and a container, until it ends or the user detaches.

Every byte is passed on as it is. Neither direction waits for the other, nothing is polled in vain, and what the
container said before it ended is written before the relay returns.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sampan.cli import terminal
from sampan.cli.signals import Resizes, Unwinding

if TYPE_CHECKING:
    from sampan.engine.attach import Attachment
    from sampan.engine.exec_ import Execution

_CHUNK = 1 << 16
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL
_GRACE = 0.1
"""Seconds after the end of a process during which others may still empty its pipes."""


def write(descriptor: int, content: bytes) -> None:
    """Write all of it, whether or not the descriptor waits. Raises BrokenPipeError."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            writable = select.poll()
            writable.register(descriptor, select.POLLOUT)
            writable.poll()


def read(descriptor: int) -> bytes | None:
    """Return what there is to read, b"" at the end, None when there is nothing after all."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # a terminal whose other side is gone says EIO; a closed standard input EBADF
        return b""


class Relay:
    """The loop, and the side of it that is the caller's."""

    def __init__(self, source: int | None, keys: bytes) -> None:
        self._poll = select.poll()
        self._source = source
        self._keys = terminal.DetachKeys(keys)
        self._typed = b""
        self._resizes: Resizes | None = None
        self._resize: Callable[[int, int], None] | None = None
        self.detached = False
        if source is not None:
            self._poll.register(source, select.POLLIN)

    def follow_size(self, resizes: Resizes, resize: Callable[[int, int], None]) -> None:
        """Tell the container's terminal whenever the caller's changes its size."""
        self._resizes, self._resize = resizes, resize
        self._poll.register(resizes, select.POLLIN)

    def _resized(self) -> None:
        assert self._resizes is not None and self._resize is not None
        self._resizes.clear()
        if now := terminal.size():
            self._resize(*now)

    def _listen(self) -> None:
        """Take what is typed, when the last of it has been passed on."""
        if self._source is not None:
            self._poll.register(self._source, select.POLLIN)

    def _type(self) -> bool:
        """Read what is typed; tell whether there is something to pass on. At the end ``_source`` is None."""
        assert self._source is not None
        content = read(self._source)
        if content is None:
            return False
        if not content:
            self._poll.unregister(self._source)
            self._source = None
            return False
        self._typed = self._keys.filter(content)
        self.detached = self._keys.typed
        if self._typed:
            self._poll.unregister(self._source)
        return bool(self._typed)


class AttachmentRelay(Relay):
    """A relay to a container, through its monitor. ``outputs`` maps kinds of frames to the caller's descriptors."""

    def __init__(
        self, attachment: Attachment, source: int | None, outputs: Mapping[int, int], keys: bytes = b""
    ) -> None:
        super().__init__(source, keys)
        self._attachment = attachment
        self._outputs = outputs
        self.left = False
        self._poll.register(attachment, select.POLLIN)

    def run(self) -> None:
        """Carry on until the container ends, ``detached``, or ``left``: the input ended and no output is waited for."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        theirs = self._attachment.fileno()
        for descriptor, events in self._poll.poll():
            if descriptor == theirs:
                if events & select.POLLOUT:
                    # Three quarters of the socket's buffer are free, more than a chunk: this does not wait.
                    self._attachment.send(self._typed)
                    self._typed = b""
                    self._poll.modify(theirs, select.POLLIN)
                    self._listen()
                if events & _READABLE and not self._receive():
                    return False
                if self.detached and not self._typed:
                    return False
            elif descriptor == self._source:
                if not self._take():
                    return False
            else:
                self._resized()
        return True

    def _receive(self) -> bool:
        frames = self._attachment.receive()
        for kind, content in frames or ():
            if kind in self._outputs:
                write(self._outputs[kind], content)
        return frames is not None

    def _take(self) -> bool:
        if self._type():
            self._poll.modify(self._attachment, select.POLLIN | select.POLLOUT)
        elif self._source is None:
            self._attachment.close_input()
            self.left = not self._outputs
            return not self.left
        return not self.detached or bool(self._typed)


class ExecutionRelay(Relay):
    """A relay to a process that is the caller's child, through pipes of its own or its terminal.

    ``outputs`` maps its descriptors to the caller's, ``sink`` takes what is typed. All of them are closed at the end.
    """

    def __init__(
        self, execution: Execution, source: int | None, sink: int | None, outputs: Mapping[int, int], keys: bytes = b""
    ) -> None:
        super().__init__(source if sink is not None else None, keys)
        self._execution = execution
        self._sink = sink
        self._outputs = dict(outputs)
        self._ended: float | None = None
        for descriptor in self._own():
            os.set_blocking(descriptor, False)
        for descriptor in outputs:
            self._poll.register(descriptor, select.POLLIN)
        self._pidfd = os.pidfd_open(execution.pid)
        self._poll.register(self._pidfd, select.POLLIN)

    def run(self) -> None:
        """Carry on until the process has ended and its output is written, or until ``detached``."""
        try:
            while not self.detached and (self._ended is None or self._draining()):
                for descriptor, events in self._poll.poll(None if self._ended is None else 20):
                    self._handle(descriptor, events)
        finally:
            os.close(self._pidfd)
            if not self.detached:
                for descriptor in self._own():
                    os.close(descriptor)

    def _own(self) -> set[int]:
        return {*self._outputs, *([] if self._sink is None else [self._sink])}

    def _draining(self) -> bool:
        return bool(self._outputs) and time.monotonic() - (self._ended or 0.0) < _GRACE

    def _handle(self, descriptor: int, events: int) -> None:
        if descriptor == self._pidfd:
            self._poll.unregister(descriptor)
            self._ended = time.monotonic()
        elif descriptor == self._source:
            self._take()
        elif self._resizes is not None and descriptor == self._resizes.fileno():
            self._resized()
        else:
            if descriptor == self._sink and events & (select.POLLOUT | select.POLLERR) and self._typed:
                self._pass_on()
            if descriptor in self._outputs and events & _READABLE:
                self._copy(descriptor)

    def _copy(self, descriptor: int) -> None:
        content = read(descriptor)
        if content:
            write(self._outputs[descriptor], content)
            if self._ended is not None:
                self._ended = time.monotonic()
        elif content is not None:
            self._poll.unregister(descriptor)
            del self._outputs[descriptor]
            if descriptor != self._sink:
                os.close(descriptor)

    def _take(self) -> None:
        if self._type():
            self._pass_on()
        elif self._source is None and self._sink is not None and self._sink not in self._outputs:
            self._close_sink()

    def _pass_on(self) -> None:
        if self._sink is None:
            return
        try:
            while self._typed:
                self._typed = self._typed[os.write(self._sink, self._typed) :]
        except BlockingIOError:
            self._await_sink(select.POLLOUT)
            return
        except OSError:  # nobody reads it any more
            self._typed, self._source = b"", None
            self._close_sink()
            return
        self._await_sink(0)
        self._listen()

    def _await_sink(self, event: int) -> None:
        assert self._sink is not None
        reading = select.POLLIN if self._sink in self._outputs else 0
        if reading | event:
            self._poll.register(self._sink, reading | event)
        elif self._sink not in self._outputs:
            self._forget(self._sink)

    def _close_sink(self) -> None:
        if self._sink is not None and self._sink not in self._outputs:
            self._forget(self._sink)
            os.close(self._sink)
            self._sink = None

    def _forget(self, descriptor: int) -> None:
        try:
            self._poll.unregister(descriptor)
        except KeyError:
            pass  # was not waited for


def converse(relay: Relay, resize: Callable[[int, int], None], *, tty: bool, interactive: bool) -> None:
    """Run a relay with the caller's terminal set up for it, and restored whatever happens."""
    with ExitStack() as stack:
        if tty:
            relay.follow_size(stack.enter_context(Resizes()), resize)
        if tty and interactive:
            stack.enter_context(Unwinding())
            stack.enter_context(terminal.raw())
        assert isinstance(relay, AttachmentRelay | ExecutionRelay)
        relay.run()
