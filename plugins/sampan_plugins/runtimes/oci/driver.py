"""Hand bundles to a runc-compatible program."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from sampan.contracts.runtime import Measures, Pauses, Runtime, RuntimeCapabilities, Started, Stdio, Updates
from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound, Unsupported
from sampan.kernel import cgroups
from sampan.model import runtime_spec as oci
from sampan.model.usage import CgroupStats
from sampan_plugins.runtimes.oci import bundles
from sampan_plugins.runtimes.oci.console import ConsoleSocket
from sampan_plugins.runtimes.oci.program import Program


class OCIRuntime(Runtime, Pauses, Updates, Measures):
    """Containers made by another program; ``run_root`` keeps its state, and where each container's bundle is."""

    capabilities: ClassVar[RuntimeCapabilities] = RuntimeCapabilities(pause=True, update=True, stats=True)

    def __init__(self, run_root: str, options: Mapping[str, Any]) -> None:
        for key in options.keys() - {"binary"}:
            raise InvalidInput(f"unknown option {key!r} of the oci runtime", "it has one: binary")
        name = str(options.get("binary", "runc"))
        path = shutil.which(name)
        if path is None:
            raise Unsupported(f"the OCI runtime {name!r} is not installed", f"apt-get install {os.path.basename(name)}")
        self._run_root = run_root
        self._program = Program(path, f"{run_root}/state")

    def create(self, container: str, bundle: str, stdio: Stdio) -> Started:
        """Build the container of the bundle and stop short of running its command."""
        home = self._home(container)
        if os.path.exists(home):
            raise AlreadyExists(f"container {container} exists", "delete it first")
        process = bundles.first_process(bundle)
        os.makedirs(os.path.dirname(home), mode=0o700, exist_ok=True)
        os.mkdir(home, 0o700)
        os.symlink(os.path.abspath(bundle), f"{home}/bundle")
        arguments = ["create", "--bundle", os.path.abspath(bundle)]
        try:
            return self._launch(home, arguments, container, stdio, process.terminal)
        except BaseException:
            self.delete(container, force=True)
            raise

    def start(self, container: str) -> None:
        """Run the command."""
        self._program.run("start", container)

    def exec(self, container: str, process: oci.Process, stdio: Stdio) -> Started:
        """Run another process in a running container."""
        home = self._home(container)
        if not os.path.exists(home):
            raise Conflict(f"container {container} is not running")
        status = self._status(container)
        if status != "running":
            message = f"container {container} is {'paused' if status == 'paused' else 'not running'}"
            raise Conflict(message, "unpause the container before exec" if status == "paused" else None)
        scratch = f"{home}/exec-{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(scratch, 0o700)
        try:
            if bundles.first_process(f"{home}/bundle").no_new_privileges:
                process = msgspec.structs.replace(process, no_new_privileges=True)
            bundles.write_process(process, f"{scratch}/process.json")
            arguments = ["exec", "--detach", "--process", f"{scratch}/process.json"]
            return self._launch(scratch, arguments, container, stdio, process.terminal)
        except NotFound as error:
            if error.exit_code is None:
                raise Conflict(f"container {container} is not running") from error
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process."""
        try:
            self._program.run("kill", container, str(number))
        except Conflict as error:
            raise NotFound(f"no process in container {container}") from error

    def pids(self, container: str) -> list[int]:
        """Return the pids of all its processes."""
        try:
            output = self._program.run("ps", "--format", "json", container)
        except (NotFound, Conflict):
            return []
        return msgspec.json.decode(output or b"null", type=list[int] | None) or []

    def update(self, container: str, resources: oci.Resources) -> None:
        """Set limits of a running container."""
        self._running(container)
        # runc keeps the device rules it knows only where it is given none.
        self._program.run("update", "--resources", "-", container, given=msgspec.json.encode(resources))

    def stats(self, container: str) -> CgroupStats:
        """Return what the container's processes use now."""
        try:
            return cgroups.group_of(self._running(container)).stats()
        except NotFound:
            raise Conflict(f"container {container} is not running") from None

    def pause(self, container: str) -> None:
        """Freeze every process."""
        status = self._status(container)
        if status != "running":
            raise Conflict(f"container {container} is {'already paused' if status == 'paused' else 'not running'}")
        self._program.run("pause", container)

    def resume(self, container: str) -> None:
        """Thaw every process."""
        if self._status(container) != "paused":
            raise Conflict(f"container {container} is not paused")
        self._program.run("resume", container)

    def delete(self, container: str, *, force: bool = False) -> None:
        """Remove what is left."""
        home = self._home(container)
        try:
            self._program.run("delete", *(["--force"] if force else []), container)
        except NotFound:
            pass
        if force:
            _clear_group(f"{home}/bundle")
        shutil.rmtree(home, ignore_errors=True)

    def _home(self, container: str) -> str:
        if not container or "/" in container or container.startswith("."):
            raise InvalidInput(f"invalid container id {container!r}")
        return f"{self._run_root}/bundles/{container}"

    def _state(self, container: str) -> dict[str, Any]:
        """Return what the program tells of a container; nothing when there is none."""
        try:
            return msgspec.json.decode(self._program.run("state", container), type=dict[str, Any])
        except NotFound:
            return {}

    def _status(self, container: str) -> str:
        return str(self._state(container).get("status", ""))

    def _running(self, container: str) -> int:
        """Return the pid of a first process that exists. Raises Conflict."""
        state = self._state(container)
        if state.get("status") not in ("created", "running", "paused"):
            raise Conflict(f"container {container} is not running")
        return int(state["pid"])

    def _launch(self, scratch: str, arguments: list[str], container: str, stdio: Stdio, terminal: bool) -> Started:
        pid_file = f"{scratch}/pid"
        arguments = [*arguments, "--pid-file", pid_file]
        if not terminal:
            self._program.launch([*arguments, container], stdio)
            return Started(_pid(pid_file))
        with ConsoleSocket() as console:
            self._program.launch([*arguments, "--console-socket", console.path, container], Stdio())
            return Started(_pid(pid_file), console.receive())


def _clear_group(bundle: str) -> None:
    """Remove the control group of a bundle's container, which a program killed before it took notes leaves behind."""
    try:
        linux = bundles.read(bundle).linux
    except InvalidInput:
        return  # it is gone: nobody knows any more
    if linux and linux.cgroups_path:
        cgroups.sweep(linux.cgroups_path)


def _pid(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())
