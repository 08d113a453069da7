"""Find what a store has on the machine: mounts, processes, links, cgroups."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.sampan import Sampan


def leaks(sampan: Sampan) -> list[str]:
    """Return what is left, after a moment in which it may still go away."""
    deadline = time.monotonic() + 3
    while (found := _found(sampan)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _found(sampan: Sampan) -> list[str]:
    return [
        *(f"mount {path}" for path in mounts(sampan)),
        *(f"process {pid}" for pid in processes(sampan)),
        *(f"link {name}" for name in links(sampan)),
        *(f"cgroup {path}" for path in cgroups(sampan)),
        *(f"bundle {name}" for name in _listed(f"{sampan.run_root}/containers")),
        *(f"container {name}" for name in _listed(f"{sampan.root}/containers")),
    ]


def mounts(sampan: Sampan) -> list[str]:
    """Return the mount points of the host below the store's directories."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point.startswith(f"{sampan.directory}/")]


def processes(sampan: Sampan) -> list[int]:
    """Return the pids of commands and monitors: they carry the store in their environment."""
    wanted = f"SAMPAN_ROOT={sampan.root}".encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue  # it ended
    return found


def links(sampan: Sampan) -> list[str]:
    """Return the bridges of the store, which say whose they are, and what is plugged into them."""
    shown = subprocess.run(["ip", "-o", "link", "show"], check=True, capture_output=True, text=True).stdout
    lines = {line.split(": ")[1].partition("@")[0]: line for line in shown.splitlines()}
    bridges = {sampan.bridge, *(name for name, line in lines.items() if f" alias {sampan.root}/" in line)}
    names = [name for name, line in lines.items() if any(bridge in line for bridge in bridges)]
    return sorted(names, key=lambda name: name not in bridges)


def cgroups(sampan: Sampan) -> list[str]:
    """Return the containers' cgroups that came after the store and have no process: those in use by others have."""
    found = []
    for parent, directories, _ in os.walk("/sys/fs/cgroup"):
        if os.path.basename(parent) != "sampan":
            continue
        for name in directories:
            path = os.path.join(parent, name)
            try:
                with open(f"{path}/cgroup.procs") as file:
                    if not file.read() and os.stat(path).st_ctime > sampan.born:
                        found.append(path)
            except OSError:
                continue  # it went away
    return found


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
