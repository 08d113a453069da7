"""Stay with a process in the foreground: carry its terminal and its signals, and end with its exit code."""

from __future__ import annotations

import os
import signal

from sampan.kernel import tty

_NOT_PASSED = frozenset((signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG))
_PIECE = 65536


class Foreground:
    """What a command that waits for its process does meanwhile. Enter it before the process begins."""

    def __enter__(self) -> Foreground:
        # Blocked, signals wait until there is somebody to pass them to.
        self._wanted = signal.valid_signals() - _NOT_PASSED
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._wanted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def wait(self, pid: int, master: int | None) -> int:
        """Return the exit code of a child, 128 and the signal's number for one that was killed."""
        handle = os.pidfd_open(pid)
        try:
            if master is None:
                self._attend(pid, handle)
            else:
                self._carry(pid, handle, master)
        finally:
            os.close(handle)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code if code >= 0 else 128 - code

    def _attend(self, pid: int, handle: int) -> None:
        import select

        reader = self._signals()
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(reader, select.POLLIN)
        try:
            while not any(fd == handle for fd, _ in poll.poll()):
                self._pass(reader, pid, None)
        finally:
            self._silence(reader)

    def _carry(self, pid: int, handle: int, master: int) -> None:
        import contextlib
        import select

        reader = self._signals()
        poll = select.poll()
        for fd in (0, master, handle, reader):
            poll.register(fd, select.POLLIN)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, master)
            stack.callback(self._silence, reader)
            if os.isatty(0):
                tty.resize(master, *tty.size(0))
                stack.enter_context(tty.raw(0))
            ended = False
            while True:
                ready = dict(poll.poll(0 if ended else None))
                if master in ready and not _copy(master, 1):
                    break
                if ended and master not in ready:
                    break
                if 0 in ready and not _copy(0, master):
                    poll.unregister(0)
                if reader in ready:
                    self._pass(reader, pid, master)
                ended = ended or handle in ready
                if ended and handle in ready:
                    poll.unregister(handle)

    def _signals(self) -> int:
        """Return a descriptor that tells the numbers of signals that come from now on."""
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._handlers = {}
        for number in self._wanted:
            try:
                self._handlers[number] = signal.signal(number, lambda *_: None)
            except (OSError, ValueError):
                continue
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._wanted)
        return reader

    def _silence(self, reader: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self._wanted)
        signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(self._writer)

    def _pass(self, reader: int, pid: int, master: int | None) -> None:
        for number in os.read(reader, 64):
            if number == signal.SIGWINCH:
                if master is not None and os.isatty(0):
                    tty.resize(master, *tty.size(0))
                continue
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return


def _copy(source: int, target: int) -> bool:
    """Copy what there is to read. Returns whether there may be more."""
    try:
        piece = os.read(source, _PIECE)
        while piece:
            written = os.write(target, piece)
            piece = piece[written:]
            if not piece:
                return True
    except OSError:  # a terminal whose last user is gone reads so
        return False
    return False
