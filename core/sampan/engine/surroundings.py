"""Make, hold and let go of what a container stands in during one run: namespaces, name service, log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sampan.contracts.runtime import Started
from sampan.engine import bundle, networking, rendezvous, sharing, volume_use
from sampan.engine.naming.service import NameService
from sampan.engine.shortage import Shortage
from sampan.engine.streams import Streams
from sampan.engine.worker import Worker
from sampan.kernel import mount, namespaces, netns
from sampan.model.container import Container
from sampan.model.mount import Mount
from sampan.model.network import Endpoint

if TYPE_CHECKING:
    from sampan.contracts.log import LogWriter
    from sampan.engine.engine import Engine
    from sampan.engine.slumber import Memory


class Surroundings:
    """What one run of a container needs of its monitor.

    The network namespace, ``sandbox``, and the host's mount namespace, ``host``, are held by descriptor; the monitor
    itself is in a mount namespace of its own, where the root file system is mounted. If the monitor is killed the
    kernel takes all of it away.
    """

    def __init__(self, engine: Engine, container: Container) -> None:
        self._engine = engine
        self._container = container
        self._log: LogWriter | None = None
        self.sandbox: int | None = None
        self.host: int | None = None
        self.names: NameService | None = None
        self.shortage = Shortage(engine, container)
        self.endpoints: list[Endpoint] = []

    @classmethod
    def resumed(cls, engine: Engine, container: Container, memory: Memory, child: int) -> Surroundings:
        """Return those that a monitor had before it slept; ``child`` is the pid of the name service's server."""
        found = cls(engine, container)
        found.sandbox = None if memory.sandbox < 0 else memory.sandbox
        found.host = None if memory.host < 0 else memory.host
        if found.sandbox is not None:
            found.names = NameService(engine.settings, container.id, found.sandbox, memory.names, child)
        found.shortage = Shortage(engine, container, memory.shortage, memory.shortages)
        return found

    def make(self, stack: ExitStack, size: tuple[int, int] | None) -> Streams:
        """Do all that comes before the command runs; networks with addresses side by side with the rest.

        ``size`` is the terminal's, rows and columns. What is made is let go of when the stack is closed.
        """
        engine, container = self._engine, self._container
        place = engine.layout.bundle(container.id)
        stack.callback(self.let_go)
        joined = stack.enter_context(sharing.joined(engine, container))
        network_owner = sharing.network_owner(engine, container)
        wires = networking.wires(engine, container)
        connecting = self._connect(stack, wires, joined, owned=network_owner is container)
        named = self._open_names(wires)
        places = volume_use.mount(engine, container)  # where everyone sees them
        self._mount_root(place)
        places = volume_use.parts(engine, container, places, place)
        memory = sharing.memory(engine, container, joined, place)
        draft = bundle.Draft(engine, container, network_owner, place, joined, places, memory)
        listener = rendezvous.listen(f"{place}/attach.sock")
        streams = stack.enter_context(Streams(listener, container.spec, self.open_log(), self.names))
        if connecting is not None:
            self.endpoints = connecting.result()
        draft.finish(self.endpoints, size, named=named)
        made = engine.runtime(container.runtime).create(container.id, place, streams.stdio())
        streams.begin(engine.plugins.answer("runtimes", container.runtime, "create", made, Started))
        self.shortage.watch()
        return streams

    def open_log(self) -> LogWriter:
        """Open the container's log, for the first time or anew."""
        container = self._container
        self._log = self._engine.plugins.open_logs(container.log_driver).open(
            self._engine.layout.container(container.id), container.id, *self._log_options()
        )
        return self._log

    def close_log(self) -> None:
        """Close the log if it is open."""
        if self._log is not None:
            self._log.close()

    def let_go(self) -> None:
        """Let the kernel take the namespaces away, once the container is out of them too."""
        self.shortage.close()
        if self.names is not None:
            self.names.close()
            self.names = None
        if self.sandbox is not None:
            os.close(self.sandbox)
            self.sandbox = None
        if self.host is not None:
            namespaces.enter(self.host, namespaces.flag("mount"))
            os.close(self.host)
            self.host = None

    def _connect(
        self, stack: ExitStack, wires: list[networking.Wire], joined: dict[str, str], *, owned: bool
    ) -> Worker[list[Endpoint]] | None:
        """Connect the container to its networks: at once, or in the thread that is returned."""
        engine, container, path = self._engine, self._container, None
        if owned and networking.sandboxed(engine, wires):
            self.sandbox = netns.new_sandbox()
            joined["network"] = path = f"/proc/{os.getpid()}/fd/{self.sandbox}"
        if not networking.addressed(engine, wires):  # there is nothing to do that were worth a thread
            self.endpoints = networking.connect_all(engine, container, wires, path)
            return None
        connecting = Worker(lambda: networking.connect_all(engine, container, wires, path))
        stack.callback(connecting.close)
        return connecting

    def _open_names(self, wires: list[networking.Wire]) -> bool:
        """Have a name service where there is a sandbox; tell whether it answers from the start."""
        if self.sandbox is None:
            return False
        self.names = NameService(self._engine.settings, self._container.id, self.sandbox)
        named = networking.named(self._engine, wires)
        if named:
            self.names.open()
        return named

    def _mount_root(self, place: str) -> None:
        """Leave the host's mount namespace, and mount the container's root file system."""
        self.host = os.open(namespaces.path("mount"), os.O_RDONLY | os.O_CLOEXEC)
        namespaces.create(namespaces.flag("mount"))
        mount.mount("none", "", "/", ("rslave",))
        os.makedirs(f"{place}/rootfs", mode=0o700, exist_ok=True)
        name, answer = self._container.storage_driver, self._engine.plugins.answer
        found = self._engine.storage(name).mounts(self._container.id)
        answer("storage", name, "mounts", found, Sequence)  # type: ignore[type-abstract]  # only compared with
        mount.mount_all([answer("storage", name, "mounts", one, Mount) for one in found], f"{place}/rootfs")

    def _log_options(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the options that are the log driver's, and what others say is to be kept with every line."""
        if not self._container.spec.log_options:
            return {}, {}
        from sampan.engine import log_attributes

        options = log_attributes.driver_options(self._container.spec.log_options)
        return options, log_attributes.attributes(self._container)
