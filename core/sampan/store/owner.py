"""Tell whether the process that began something still lives.

A token is boot id, pid and start time (proc_pid_stat(5), field 22): a pid alone is used again, and after a
reboot so may be the pair.
"""

from __future__ import annotations

import os
import time

from sampan.errors import NotFound
from sampan.kernel.starttime import started

NOBODY = "//"
"""The token of a process that never was."""


def current() -> str:
    """Return the token of the calling process."""
    return f"{_boot()}/{os.getpid()}/{started(os.getpid())}"


def alive(token: str) -> bool:
    """Tell whether the process of a token still runs (a zombie does not)."""
    boot, pid, began = token.split("/")
    return boot == _boot() and began != "0" and str(started(int(pid))) == began


def kill(token: str) -> None:
    """Kill the process of a token, if it still runs, and wait until it is gone."""
    from sampan.kernel import processes

    _, pid, began = token.split("/")
    try:
        if alive(token):
            processes.send_signal(int(pid), int(began), 9)
    except NotFound:
        return
    while alive(token):
        time.sleep(0.002)


def pid_of(token: str) -> int:
    """Return the pid in a token."""
    return int(token.split("/")[1])


def boot_of(token: str) -> str:
    """Return the id of the boot a token is from."""
    return token.split("/")[0]


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
        return file.read().decode().strip()
