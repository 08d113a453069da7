"""Pass on the signals that the command gets: to a container, or to a loop that waits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from sampan.cli.run import Terminated

_KEPT = {
    "SIGKILL", "SIGSTOP",  # cannot be caught
    "SIGCHLD", "SIGPIPE", "SIGURG", "SIGWINCH",  # about this process; a container may end itself on SIGWINCH
    "SIGTTIN", "SIGTTOU", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS",
}  # fmt: skip
_FATAL = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


class Signals:
    """Handlers in force for a while. A context manager that puts back what there was."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _set(self, number: int, handler: Callable[[int, FrameType | None], Any]) -> None:
        before = signal.signal(number, handler)
        self._before.setdefault(number, before)


class Unwinding(Signals):
    """Makes signals that would end the process at once unwind it instead, so that the terminal is put in order."""

    def __enter__(self) -> Unwinding:
        for number in _FATAL:
            self._set(number, _unwind)
        return self


class Forwarding(Signals):
    """Collects the signals that come and passes them on, from the moment that ``to`` says to whom."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[int] = []
        self._send: Callable[[int], None] | None = None
        self._busy = False

    def __enter__(self) -> Forwarding:
        kept = {getattr(signal, name) for name in _KEPT}
        for number in signal.valid_signals() - kept:
            self._set(number, self._arrived)
        return self

    def to(self, send: Callable[[int], None]) -> None:
        """Pass on what came and what comes; ``send`` raises nothing."""
        self._send = send
        self._pass_on()

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._waiting.append(number)
        self._pass_on()

    def _pass_on(self) -> None:
        # Here and not in a loop: the command may be waiting for someone to take its output.
        if self._busy or self._send is None:
            return
        self._busy = True
        try:
            while self._waiting:
                self._send(self._waiting.pop(0))
        finally:
            self._busy = False


class Resizes(Signals):
    """Makes a descriptor readable when the terminal's size changes."""

    def __enter__(self) -> Resizes:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._set(signal.SIGWINCH, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        os.close(self._in)
        os.close(self._out)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._out

    def clear(self) -> None:
        """Forget what came."""
        try:
            os.read(self._out, 4096)
        except BlockingIOError:
            pass

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        try:
            os.write(self._in, b"!")
        except BlockingIOError:
            pass  # it is readable already


def _unwind(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Terminated(number)
