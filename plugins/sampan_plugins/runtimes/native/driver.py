"""Make containers with system calls alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from sampan.contracts.runtime import Measures, Pauses, Runtime, RuntimeCapabilities, Started, Stdio, Updates
from sampan.errors import Conflict, InvalidInput, NotFound, SampanError
from sampan.kernel import cgroups, processes
from sampan.kernel.cgroups.group import Group
from sampan.model import runtime_spec as oci
from sampan.model.usage import CgroupStats
from sampan_plugins.runtimes.native.manner import Manner
from sampan_plugins.runtimes.native.state import Home, State

_SIGKILL = 9


class NativeRuntime(Runtime, Pauses, Updates, Measures):
    """Containers from namespaces, mounts and control groups; ``run_root`` keeps their state."""

    capabilities: ClassVar[RuntimeCapabilities] = RuntimeCapabilities(pause=True, update=True, stats=True)

    def __init__(self, run_root: str, options: Mapping[str, Any], manner: Manner | None = None) -> None:
        for key in options:
            raise InvalidInput(f"unknown option {key!r} of the native runtime", "it has none")
        self._run_root = run_root
        self._manner = manner or Manner()

    def create(self, container: str, bundle: str, stdio: Stdio) -> Started:
        """Build the container of the bundle and stop short of running its command."""
        from sampan_plugins.runtimes.native.creation import create

        return create(Home(self._run_root, container), f"{self._run_root}/.seccomp", bundle, stdio, self._manner)

    def start(self, container: str) -> None:
        """Run the command."""
        from sampan_plugins.runtimes.native import report

        home = Home(self._run_root, container)
        state = home.read()
        try:
            failure = os.open(home.failure, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Conflict(f"container {container} has been started") from None
        try:
            _let_go(home)
            os.set_blocking(failure, True)
            told = report.read_until_closed(failure)
        finally:
            os.close(failure)
        os.unlink(home.failure)
        if told:
            report.receive(told)
        if not state.pid:
            raise Conflict(f"container {container} has not been created completely", "delete it")
        if state.hooks and state.hooks.poststart:
            self._run_poststart(state)

    def _run_poststart(self, state: State) -> None:
        from sampan_plugins.runtimes.native import hooks

        assert state.hooks is not None
        try:
            hooks.run("poststart", state.hooks.poststart, msgspec.json.encode(state.document("running")))
        except SampanError:
            cgroups.open_group(state.cgroup).kill()
            raise

    def state(self, container: str) -> tuple[State, str]:
        """Return what is on record of a container and its status (runtime.md, "State"). Raises NotFound."""
        home = Home(self._run_root, container)
        state = home.read()
        if not state.pid:
            return state, "creating"
        if not state.alive:
            return state, "stopped"
        if os.path.exists(home.go):
            return state, "created"
        return state, "paused" if cgroups.open_group(state.cgroup).frozen() else "running"

    def exec(self, container: str, process: oci.Process, stdio: Stdio) -> Started:
        """Run another process in a running container, confined as the first."""
        from sampan_plugins.runtimes.native.creation import join

        home = Home(self._run_root, container)
        try:
            state = home.read()
        except NotFound:
            raise Conflict(f"container {container} is not running") from None
        if not state.alive or os.path.exists(home.go):
            raise Conflict(f"container {container} is not running")
        group = cgroups.open_group(state.cgroup)
        if group.frozen():
            raise Conflict(f"container {container} is paused", "unpause the container before exec")
        return join(home, state, group, process, stdio, self._manner)

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process."""
        state = Home(self._run_root, container).read()
        processes.send_signal(state.pid, state.start, number)
        group = cgroups.open_group(state.cgroup)
        if number == _SIGKILL and group.frozen():
            group.thaw()  # version 1 does not kill what is frozen

    def pids(self, container: str) -> list[int]:
        """Return the pids of all its processes."""
        try:
            state = Home(self._run_root, container).read()
        except NotFound:
            return []
        return cgroups.open_group(state.cgroup).pids()

    def update(self, container: str, resources: oci.Resources) -> None:
        """Set limits of a running container."""
        self._running(container).apply(resources)

    def stats(self, container: str) -> CgroupStats:
        """Return what the container's processes use now."""
        return self._running(container).stats()

    def pause(self, container: str) -> None:
        """Freeze every process."""
        group = self._running(container)
        if group.frozen():
            raise Conflict(f"container {container} is already paused")
        group.freeze()

    def resume(self, container: str) -> None:
        """Thaw every process."""
        state = Home(self._run_root, container).read()
        group = cgroups.open_group(state.cgroup)
        if not group.frozen():
            raise Conflict(f"container {container} is not paused")
        group.thaw()

    def delete(self, container: str, *, force: bool = False) -> None:
        """Remove what is left."""
        home = Home(self._run_root, container)
        try:
            state = home.read()
        except NotFound:
            home.remove()
            return
        group = cgroups.open_group(state.cgroup)
        if state.alive:
            if not force:
                raise Conflict(f"container {container} is running", "stop it first, or force its removal")
            try:
                processes.send_signal(state.pid, state.start, _SIGKILL)
            except NotFound:
                pass
        if force or group.pids():
            group.kill()
        group.remove()
        home.remove()
        if state.hooks:
            from sampan_plugins.runtimes.native import hooks

            hooks.run_last(state, self._manner)

    def _running(self, container: str) -> Group:
        """Return the group of a container whose first process exists. Raises Conflict."""
        try:
            state = Home(self._run_root, container).read()
        except NotFound:
            raise Conflict(f"container {container} is not running") from None
        if not state.alive:
            raise Conflict(f"container {container} is not running")
        return cgroups.open_group(state.cgroup)


def _let_go(home: Home) -> None:
    """Wake the first process, which waits at the fifo. The fifo is gone afterwards, so that only one may."""
    try:
        go = os.open(home.go, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.unlink(home.go)
    except FileNotFoundError:
        raise Conflict(f"container {home.container} has been started") from None
    except OSError:
        raise Conflict(f"container {home.container} is not running", "its first process was killed") from None
    try:
        os.write(go, b"g")
    finally:
        os.close(go)
