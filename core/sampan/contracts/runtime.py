"""Turn an OCI bundle into processes.

The story
---------
The monitor of a container is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) and calls::

    process = runtime.create(id, bundle, stdio)    # everything built; the command waits to be let go
    runtime.start(id)                              # let go
    waitpid(process.pid)                           # the monitor's own child
    runtime.delete(id)                             # cgroup and state undone

Any process may meanwhile call ``exec`` (itself a subreaper, so that the new process becomes its child),
``signal`` and ``state``; after a kill of the monitor, whoever finds out calls ``delete(id, force=True)``.

The bundle is a directory with ``config.json`` (OCI runtime-spec). A terminal asked for in the spec is made
inside the container, and its master's descriptor returned in Started.console; otherwise the process gets the three
descriptors of ``stdio`` and no others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from sampan.model import runtime_spec as oci
from sampan.model.usage import CgroupStats


class Stdio(msgspec.Struct, frozen=True):
    """Descriptors for a process's standard streams. The caller closes its own copies. None: /dev/null."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None


class Started(msgspec.Struct, frozen=True):
    """A process, by its pid in the caller's namespace, and its terminal's master descriptor if it has one.

    The caller owns ``console`` and closes it.
    """

    pid: int
    console: int | None = None


class RuntimeCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine may count on: which optional parts work here."""

    pause: bool = False
    update: bool = False
    stats: bool = False
    cgroup: bool = True


class Runtime(ABC):
    """A maker of containers. The module's documentation is the contract.

    ``create`` and ``exec`` raise CommandNotFound and CommandNotExecutable for the command itself, Unsupported for
    what this kernel cannot do, InvalidInput for what the spec gets wrong; nothing of a failed attempt remains.
    """

    capabilities: ClassVar[RuntimeCapabilities] = RuntimeCapabilities()

    @abstractmethod
    def create(self, container: str, bundle: str, stdio: Stdio) -> Started:
        """Build the container of the bundle and stop short of running its command."""

    @abstractmethod
    def start(self, container: str) -> None:
        """Run the command. Raises CommandNotFound and CommandNotExecutable when only now found out."""

    @abstractmethod
    def exec(self, container: str, process: oci.Process, stdio: Stdio) -> Started:
        """Run another process in a running container, confined as the first. Raises Conflict unless it runs."""

    @abstractmethod
    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process. Raises NotFound when there is none."""

    @abstractmethod
    def pids(self, container: str) -> list[int]:
        """Return the pids, in the caller's namespace, of all its processes; empty when it is gone."""

    @abstractmethod
    def delete(self, container: str, *, force: bool = False) -> None:
        """Remove what is left: cgroup, state. With ``force`` kill what still runs first. Gone already: done.

        Raises Conflict when it runs and ``force`` is not given.
        """

    def close(self) -> None:
        """Let go of what the driver holds open."""
        return


class Pauses(ABC):
    """A runtime that can freeze and thaw; it also derives from this class."""

    @abstractmethod
    def pause(self, container: str) -> None:
        """Freeze every process. Raises Conflict unless it runs."""

    @abstractmethod
    def resume(self, container: str) -> None:
        """Thaw every process. Raises Conflict unless it is frozen."""


class Updates(ABC):
    """A runtime that can change limits of what runs; it also derives from this class."""

    @abstractmethod
    def update(self, container: str, resources: oci.Resources) -> None:
        """Set the limits that ``resources`` has, and leave others. Raises Conflict when it does not run.

        Raises InvalidInput for values the kernel refuses, and Unsupported for limits it lacks; those before are set.
        """


class Measures(ABC):
    """A runtime that can tell what a container uses; it also derives from this class."""

    @abstractmethod
    def stats(self, container: str) -> CgroupStats:
        """Return what the container's processes use now. Raises Conflict when it does not run."""
