"""Do a test's work in processes of its own, as commands do, and kill them in the middle of it."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable


def forked(work: Callable[[], object]) -> int:
    """Run ``work`` in a child process and return its pid; the child ends with 0, or with 1 on an exception."""
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads; a test runner's idle helpers hold no lock we take.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException as error:
        os.write(2, f"in the child: {error!r}\n".encode())
    finally:
        os._exit(status)


def together(works: Iterable[Callable[[], object]]) -> list[int]:
    """Run each in a child process, all at once; return the exit codes: 0, or 1 for an exception."""
    return codes([forked(work) for work in works])


def codes(children: Iterable[int]) -> list[int]:
    """Wait for child processes; return their exit codes."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def killed(work: Callable[[], object], delay: float) -> None:
    """Run ``work`` in a child process and kill it ``delay`` seconds after it has begun, if it has not ended by then."""
    reading, writing = os.pipe()

    def begin() -> None:
        os.write(writing, b"!")
        work()

    child = forked(begin)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
