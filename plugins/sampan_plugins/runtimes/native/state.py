"""Keep what must be known of a container after the process that made it: ``run_root/ID/state.json``."""

from __future__ import annotations

import os
import re
from typing import Final

import msgspec

from sampan.errors import AlreadyExists, Corrupt, InvalidInput, NotFound
from sampan.kernel import processes
from sampan.model.runtime_spec import Hooks

VERSION: Final = "1.2.0"
"""The version of the runtime specification that states are of."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}")


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One container. ``pid`` and ``start`` are its first process's; 0 while it is being made.

    ``created`` is in seconds since 1970 and ``domain`` that of personality(2); ``hooks`` are those yet to come.
    """

    id: str
    bundle: str
    cgroup: str
    rootfs: str = ""
    created: float = 0.0
    annotations: dict[str, str] = {}
    hooks: Hooks | None = None
    pid: int = 0
    start: int = 0
    namespaces: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp_flags: int | None = None
    domain: int | None = None

    def document(self, status: str) -> dict[str, object]:
        """Return the state as the specification has it (runtime.md, "State")."""
        told: dict[str, object] = {
            "ociVersion": VERSION, "id": self.id, "pid": self.pid if status != "stopped" else 0, "status": status,
            "bundle": self.bundle}
        return told | ({"annotations": self.annotations} if self.annotations else {})

    @property
    def alive(self) -> bool:
        """Whether the first process exists and is no zombie."""
        return processes.alive(self.pid, self.start)


class Home:
    """The directory of one container's state."""

    def __init__(self, run_root: str, container: str) -> None:
        if not _ID.fullmatch(container):
            raise InvalidInput(f"invalid container id {container!r}")
        self.container = container
        self.path = f"{run_root}/{container}"

    @property
    def go(self) -> str:
        """The fifo that the first process waits at."""
        return f"{self.path}/go"

    @property
    def failure(self) -> str:
        """The fifo that it reports a failed exec through."""
        return f"{self.path}/failure"

    @property
    def seccomp(self) -> str:
        """The compiled filter, for those that join later."""
        return f"{self.path}/seccomp.bpf"

    def claim(self) -> None:
        """Make the directory. Raises AlreadyExists."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            raise AlreadyExists(f"container {self.container} exists", "delete it first") from None

    def write(self, state: State) -> None:
        """Replace the state on record, at once."""
        partial = f"{self.path}/state.json.{os.getpid()}"
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, msgspec.json.encode(state))
        finally:
            os.close(fd)
        os.rename(partial, f"{self.path}/state.json")

    def read(self) -> State:
        """Return the state on record. Raises NotFound, Corrupt."""
        try:
            with open(f"{self.path}/state.json", "rb", buffering=0) as file:
                return msgspec.json.decode(file.read(), type=State)
        except FileNotFoundError:
            raise NotFound(f"no such container: {self.container}") from None
        except msgspec.MsgspecError as error:
            raise Corrupt(f"{self.path}/state.json is not valid: {error}") from error

    def remove(self) -> None:
        """Remove the directory. Gone already: done."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return
        # The state goes last: while it is there, what it tells of can be found and undone.
        for name in sorted(names, key="state.json".__eq__):
            try:
                os.unlink(f"{self.path}/{name}")
            except FileNotFoundError:
                pass
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            pass
