"""Cut a forked process loose from the one it is a copy of."""

from __future__ import annotations

import fcntl
import gc
import os
import signal

from sampan.kernel import processes, signals

_OUTLIVED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGTSTP)


def detach(kept: int, other: int | None = None) -> int:
    """Let go of descriptors, signal handlers, directory and umask; return where the one descriptor kept is now.

    Another, which is none of the standard streams, may stay where it is.
    From here on the process outlives every signal that a terminal or a careless script sends, and is the parent of its
    descendants' orphans.
    """
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in signals.CHANGEABLE:
        if callable(signals.handler(number)):
            signals.handle(number, signals.SIG_DFL)
    for number in _OUTLIVED:
        signals.handle(number, signals.SIG_IGN)
    signals.handle(signal.SIGCHLD, signals.SIG_DFL)
    processes.restore_reserved_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Clear of the standard streams, which the process may have been without.
    moved = fcntl.fcntl(kept, fcntl.F_DUPFD_CLOEXEC, 3)
    start = 3
    for descriptor in sorted({moved, moved if other is None else other}):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 1 << 20)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if null > 2:
        os.close(null)
    os.chdir("/")
    os.umask(0o022)
    processes.become_subreaper()
    return moved
