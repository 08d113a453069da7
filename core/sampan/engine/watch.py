"""Wait, in as little memory as Python takes, until a descriptor has something; then execute what follows.

Run as a file, in an interpreter without site and environment: ``watch.py FD,FD… PROGRAM ARGUMENT…``. Nothing of Sampan
is imported here. The process stays what it is: its children, namespaces and descriptors are those of the monitor that
executed this, and of the one that this executes.
"""

from __future__ import annotations

import os
import select
import sys


def main(descriptors: str, *program: str) -> None:
    """Wait and execute."""
    poll = select.poll()
    for descriptor in descriptors.split(","):
        poll.register(int(descriptor), select.POLLIN)
    while not poll.poll():
        pass
    os.execv(program[0], program)


if __name__ == "__main__":
    main(*sys.argv[1:])
