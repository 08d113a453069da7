"""Say what a control group is, whichever interface it has."""

from __future__ import annotations

import errno
import os
import signal
import time
from abc import ABC, abstractmethod

from sampan.errors import Conflict, InvalidInput, Unsupported
from sampan.model.runtime_spec import RDMA, Resources
from sampan.model.usage import CgroupStats

_PATIENCE = 5.0  # seconds: exit of killed processes is quick, but a loaded machine may take its time


class Group(ABC):
    """A control group: a directory in one hierarchy or in several. Methods raise OSError."""

    @property
    @abstractmethod
    def directories(self) -> dict[str, str]:
        """The group's directory in each hierarchy, by its controllers; version 2 has the empty name."""

    @property
    @abstractmethod
    def _census(self) -> str:
        """The directory that all the group's processes are found in."""

    @abstractmethod
    def apply(self, resources: Resources) -> None:
        """Set limits. Raises InvalidInput for values the kernel refuses, Unsupported for limits it lacks."""

    @abstractmethod
    def stats(self) -> CgroupStats:
        """Return what the group's processes have used and use."""

    @abstractmethod
    def oom_kills(self) -> int:
        """Return how many processes the kernel has killed for want of memory; 0 when the group does not exist."""

    @abstractmethod
    def watch_shortages(self) -> int:
        """Return a descriptor, the caller's to close, that can be read when a process is killed for want of memory."""

    @abstractmethod
    def shortages(self, descriptor: int, before: int) -> int:
        """Read such a descriptor; return how often memory has been wanting, where it was ``before`` so far."""

    @abstractmethod
    def freeze(self) -> None:
        """Stop every process and wait until all are stopped."""

    @abstractmethod
    def thaw(self) -> None:
        """Let every process run on."""

    @abstractmethod
    def frozen(self) -> bool:
        """Tell whether the group is frozen."""

    def create(self) -> None:
        """Make the group in every hierarchy, with its parents; what exists already is used."""
        for directory in self.directories.values():
            os.makedirs(directory, exist_ok=True)

    def join(self, pid: int = 0) -> None:
        """Move a process, by default the caller, which must be single-threaded, into the group."""
        for directory in self.directories.values():
            write(f"{directory}/cgroup.procs", str(pid))

    def pids(self) -> list[int]:
        """Return the processes in the group and in groups below it; none when it does not exist."""
        found: list[int] = []
        for directory, _, _ in os.walk(self._census):
            try:
                with open(f"{directory}/cgroup.procs", "rb") as file:
                    found += map(int, file.read().split())
            except OSError:  # gone meanwhile
                continue
        return found

    def kill(self) -> None:
        """Kill every process, those born meanwhile too, and wait until none is left. Raises Conflict if some stay."""
        deadline = time.monotonic() + _PATIENCE
        pause = 0.0005
        while pids := self.pids():
            self._kill(pids)
            if self.frozen():
                self.thaw()
            if time.monotonic() > deadline:
                raise Conflict(f"processes {pids} do not die", "they may wait for a device or a network file system")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def remove(self) -> None:
        """Remove the group and the groups below it. Gone already: done. Raises Conflict while processes are in it."""
        deadline = time.monotonic() + _PATIENCE
        for directory in self.directories.values():
            _remove_tree(directory, deadline)


def _remove_tree(directory: str, deadline: float) -> None:
    try:
        os.rmdir(directory)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    for path, below, _ in os.walk(directory, topdown=False):
        for name in below:
            _rmdir(f"{path}/{name}", deadline)
    _rmdir(directory, deadline)


def _rmdir(directory: str, deadline: float) -> None:
    while True:
        try:
            os.rmdir(directory)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A process that has just been reaped may still be on its way out.
            if time.monotonic() > deadline:
                raise Conflict(f"cgroup {directory} is in use") from error
            time.sleep(0.005)


def read(path: str) -> str:
    """Return the content of a control file. Raises OSError; FileNotFoundError also when the group went meanwhile."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096).decode().strip()
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
        raise
    finally:
        os.close(fd)


def rows(path: str) -> list[list[str]]:
    """Return the words of each line of a control file; none where there is no such file."""
    try:
        with open(path, encoding="ascii") as file:
            return [line.split() for line in file]
    except FileNotFoundError:
        return []


def amount(path: str) -> int | None:
    """Return the number in a control file; None for "max" and where there is no such file."""
    found = rows(path)
    return int(found[0][0]) if found and found[0][0] != "max" else None


def amounts(path: str) -> dict[str, int]:
    """Return the numbers in a control file by their names."""
    return {row[0]: int(row[1]) for row in rows(path)}


def write(path: str, value: str) -> None:
    """Write a control file. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def set_limit(path: str, value: int | str, what: str) -> None:
    """Write a limit on ``what``. Raises Unsupported where the kernel has no such file, InvalidInput if it refuses."""
    try:
        write(path, str(value))
    except FileNotFoundError as error:
        raise Unsupported(f"this kernel cannot limit {what}", f"{path} does not exist") from error
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise Unsupported(f"this kernel cannot limit {what} here", f"{path} does not take {value}") from error
        if error.errno not in (errno.EINVAL, errno.ERANGE, errno.EBUSY, errno.ENOSPC, errno.EACCES, errno.ENODEV):
            raise
        raise InvalidInput(f"cannot set {what} to {value}: {error.strerror}") from error


def rdma_line(device: str, limit: RDMA) -> str:
    """Return a limit on an RDMA device as both interfaces take it."""
    words = (("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects))
    return " ".join([device, *(f"{name}={value}" for name, value in words if value is not None)])
