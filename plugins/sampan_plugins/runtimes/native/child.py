"""Prepare a forked Python for life inside a container: no imports, no descriptors, no handlers of the parent's."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sampan.contracts.runtime import Stdio
from sampan.kernel import libc, processes, signals

_FIRST = 3
_CLEAR = 10  # descriptors of the runtime stay that far from those that the command keeps


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Hold back signals while forking, so that the parent's handlers never run in the child."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def isolate(stdio: Stdio, kept: Iterable[int], preserved: int = 0) -> dict[int, int]:
    """Cut a fresh child off from its parent; return where each kept descriptor is now.

    The streams of ``stdio`` become descriptors 0 to 2, and ``preserved`` ones from 3 on stay. From here on nothing can
    be imported: the file system may soon be one that a container wrote. Signals stay blocked until ``reset_signals``.
    """
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path.clear()
    sys.path_importer_cache.clear()
    processes.hide()
    lowest = _CLEAR + preserved
    moved = {fd: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest) for fd in kept}
    streams = [
        os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC) if fd is None else fd
        for fd in (stdio.stdin, stdio.stdout, stdio.stderr)
    ]
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest) for fd in streams]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)
    for fd in range(_FIRST, _FIRST + preserved):
        os.set_inheritable(fd, True)
    close_all_but((*range(_FIRST, _FIRST + preserved), *moved.values()))
    return moved


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor from 3 on that is not named."""
    first = _FIRST
    for fd in sorted(kept):
        if fd > first:
            libc.close_range(first, fd - 1)
        first = fd + 1
    libc.close_range(first)


def reset_signals() -> None:
    """Give every signal its default action and let all through; Python ignores SIGPIPE, and that would be inherited."""
    for number in signals.CHANGEABLE:
        signals.handle(number, signals.SIG_DFL)
    processes.restore_reserved_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
