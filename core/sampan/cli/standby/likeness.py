"""Compare a process with ourselves: in all that a fork of us could not take over from it.

The kernel is asked (proc(5)), not the process: one that shares our user but has fewer rights, in a container say,
gets no worker with ours.
"""

from __future__ import annotations

import os
import resource
import signal

_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts")
_STATUS = (
    b"Uid", b"Gid", b"Groups", b"CapInh", b"CapPrm", b"CapEff", b"CapBnd", b"CapAmb", b"NoNewPrivs", b"Seccomp",
    b"Cpus_allowed", b"Mems_allowed",
)  # fmt: skip
_LIMITS = tuple(sorted(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")))


class Process:
    """What one process is. ``fixed`` must equal; the rest a worker takes over. Raises OSError when it ended."""

    def __init__(self, pid: int | str) -> None:
        self._at = f"/proc/{pid}"
        status = dict(line.split(b":\t", 1) for line in self._read("status").splitlines() if b":\t" in line)
        root = os.stat(f"{self._at}/root/")
        self.fixed = (
            *(status.get(name) for name in _STATUS),
            *(self._link(f"ns/{name}") for name in _NAMESPACES),
            *(self._optional(name) for name in ("attr/current", "personality", "loginuid")),
            self._read("cgroup"), root.st_dev, root.st_ino,
        )  # fmt: skip
        self.umask = int(status[b"Umask"], 8)
        self.blocked = _signals(status[b"SigBlk"])
        self.ignored = _signals(status[b"SigIgn"])
        self.limits = self._read("limits")
        self.oom = self._read("oom_score_adj")
        self.words = self._read("cmdline")
        self.name = self._read("comm").rstrip(b"\n")

    @property
    def directory(self) -> str:
        """A path to its working directory, which may have been removed."""
        return f"{self._at}/cwd"

    def _read(self, name: str) -> bytes:
        with open(f"{self._at}/{name}", "rb", buffering=0) as file:
            return file.read()

    def _optional(self, name: str) -> bytes:
        try:
            return self._read(name)
        except OSError:
            return b""  # a kernel without it

    def _link(self, name: str) -> str:
        try:
            return os.readlink(f"{self._at}/{name}")
        except FileNotFoundError:
            return ""


def take_over(pid: int, process: Process, own: Process) -> None:
    """Be like a process in what a fork can be. Raises OSError where that is refused."""
    if process.limits != own.limits:
        for limit in _LIMITS:
            resource.setrlimit(limit, resource.prlimit(pid, limit))
    nice = os.getpriority(os.PRIO_PROCESS, pid)
    if nice != os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    if process.oom != own.oom:
        _write("oom_score_adj", process.oom)
    _write("comm", process.name)
    os.umask(process.umask)
    os.chdir(process.directory)


def restore_signals(process: Process) -> None:
    """Have the signals that a fresh interpreter has which the process was; what came meanwhile is delivered."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number in (signal.SIGKILL, signal.SIGSTOP):
            continue
        handler: object = signal.SIG_IGN if number in process.ignored else signal.SIG_DFL
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)  # type: ignore[arg-type]  # SIG_IGN or SIG_DFL
    if signal.SIGINT not in process.ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, process.blocked)


def _write(name: str, content: bytes) -> None:
    with open(f"/proc/self/{name}", "wb", buffering=0) as file:
        file.write(content)


def _signals(mask: bytes) -> set[int]:
    bits = int(mask, 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}
