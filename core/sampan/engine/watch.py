"""Wait, in as little memory as Python takes, until a descriptor has something; then execute what follows.

Run as a file, in an interpreter without site and environment: ``watch.py FD,FD… FD,FD… CHILD COUNT SERVER… PROGRAM…``.
Nothing of Sampan is imported here. The process stays what it is: its children, namespaces and descriptors are those of
the monitor that executed this, and of the one that this executes.

The second descriptors, which may be none, are those of a name service: a question at its sockets, the first two, does
not end the wait but starts its server, a command line of COUNT words, with these descriptors. CHILD is the pid of one
that runs already, 0 for none; PROGRAM is told it, as it is by then, as its last argument.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence


def main(descriptors: str, served: str, child: str, count: str, *programs: str) -> None:
    """Wait and execute."""
    server, program = programs[: int(count)], programs[int(count) :]
    watched, given = _numbers(descriptors), _numbers(served)
    pid = int(child)
    while True:
        if not _wait(watched, given[:2], pid):
            break
        try:
            if not pid:
                pid = spawn(given, server)
            elif os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).si_status:  # type: ignore[union-attr]
                break
            else:
                os.waitpid(pid, 0)
                pid = 0
        except OSError:
            break
    os.execv(program[0], [*program, str(pid)])


def spawn(given: Sequence[int], program: Sequence[str]) -> int:
    """Start a program that has these descriptors and the standard ones, and no others; return its pid."""
    child = os.fork()
    if child == 0:
        try:
            start = 3
            for descriptor in sorted(given):
                os.closerange(start, descriptor)
                os.set_inheritable(descriptor, True)
                start = descriptor + 1
            os.closerange(start, 1 << 20)
            os.execv(program[0], [*program])
        finally:
            os._exit(127)
    return child


def _wait(watched: Sequence[int], sockets: Sequence[int], child: int) -> bool:
    """Wait until something happens; tell whether it is all with the sockets or, in their place, the child's end."""
    pidfd = os.pidfd_open(child) if child else -1
    try:
        poll = select.poll()
        for descriptor in (*watched, *([pidfd] if child else sockets)):
            poll.register(descriptor, select.POLLIN)
        while not (ready := poll.poll()):
            pass
        return not {descriptor for descriptor, _ in ready} & {*watched}
    finally:
        if child:
            os.close(pidfd)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


if __name__ == "__main__":
    main(*sys.argv[1:])
