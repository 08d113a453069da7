"""Hold what every verb needs: settings, plugins, the store, and drivers opened once."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from sampan.config import Settings
from sampan.engine.doors.archives import Archives
from sampan.engine.doors.containers import Containers
from sampan.engine.doors.images import Images
from sampan.engine.doors.networks import Networks
from sampan.engine.doors.registries import Registries
from sampan.engine.doors.running import Running
from sampan.engine.doors.system import System
from sampan.engine.doors.volumes import Volumes
from sampan.errors import Unsupported
from sampan.store.layout import Layout
from sampan.store.store import Store

if TYPE_CHECKING:
    from sampan.contracts.network import NetworkDriver
    from sampan.contracts.registry import Registry
    from sampan.contracts.runtime import Runtime
    from sampan.contracts.storage import StorageDriver
    from sampan.contracts.volume import VolumeDriver
    from sampan.plugin.manager import Plugins


class Engine(Images, Registries, Archives, Containers, Running, Networks, Volumes, System):
    """A container engine on one root. A context manager; not to be carried across a fork.

    What it can do are its doors, by theme in ``sampan.engine.doors``; here is what they all stand on.

    >>> with Engine() as engine:
    ...     pulled = engine.pull("busybox")
    ...     container = engine.create(ContainerSpec(image="busybox", command=("echo", "hello")))
    ...     engine.start(container.id)
    """

    def __init__(
        self, settings: Settings | None = None, plugins: Plugins | None = None, *, brief: bool = False
    ) -> None:
        self.settings = settings or Settings()
        self.brief = brief
        """Whether the process ends with the engine's work, and leaves its children to whoever reaps orphans."""
        self._plugins = plugins
        self.layout = Layout(os.path.abspath(self.settings.root), os.path.abspath(self.settings.run_root))
        self._store: Store | None = None
        self._storage: dict[str, StorageDriver] = {}
        self._networks: dict[str, NetworkDriver] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._volumes: dict[str, VolumeDriver] = {}
        self.loaded: set[str] = set()
        """The modules that monitors loaded beyond those of the process that started them."""

    @property
    def _engine(self) -> Engine:
        return self

    @property
    def plugins(self) -> Plugins:
        """The plugins these settings choose from."""
        if self._plugins is None:
            from sampan.plugin.manager import Plugins

            self._plugins = Plugins(self.settings)
        return self._plugins

    @property
    def store(self) -> Store:
        """The state; opening it first undoes what killed commands left half done."""
        if self._store is None:
            self._store = Store(self.layout)
            from sampan.engine import recovery

            recovery.sweep(self)
        return self._store

    def storage(self, name: str = "") -> StorageDriver:
        """Return the named storage driver, or the first preferred one that works here."""
        if name:
            return self._open_storage(name)
        reasons = []
        for candidate in self.settings.storage:
            try:
                return self._open_storage(candidate)
            except Unsupported as error:
                reasons.append(f"{candidate}: {error}")
        raise Unsupported("no storage driver works here: " + "; ".join(reasons))

    def storage_name(self) -> str:
        """Return the name of the storage driver new containers get."""
        driver = self.storage()
        return next(name for name, opened in self._storage.items() if opened is driver)

    def _open_storage(self, name: str) -> StorageDriver:
        if name not in self._storage:
            self._storage[name] = self.plugins.open_storage(name, self.layout.storage(name))
        return self._storage[name]

    def network(self, name: str) -> NetworkDriver:
        """Return the named network driver."""
        if name not in self._networks:
            self._networks[name] = self.plugins.open_network(
                name, self.layout.network(name), self.layout.network_run(name)
            )
        return self._networks[name]

    def runtime(self, name: str) -> Runtime:
        """Return the named runtime."""
        if name not in self._runtimes:
            self._runtimes[name] = self.plugins.open_runtime(name, self.layout.runtime(name))
        return self._runtimes[name]

    def registry(self, repository: str) -> Registry:
        """Open a repository, ``host[:port]/path``, or a host alone to log in to; the caller closes it."""
        from sampan.config import RegistryHost

        host = self.settings.registries.get(repository.partition("/")[0], RegistryHost())
        return self.plugins.open_registry(self.registry_name(repository), repository, host)

    def registry_name(self, repository: str) -> str:
        """Return the name of the registry client for a repository or host."""
        host = self.settings.registries.get(repository.partition("/")[0])
        return (host.driver if host else "") or self.settings.registry

    def volumes(self, name: str) -> VolumeDriver:
        """Return the named volume driver."""
        if name not in self._volumes:
            self._volumes[name] = self.plugins.open_volumes(name, self.layout.volumes(name))
        return self._volumes[name]

    def close(self) -> None:
        """Close drivers and store; they are opened anew when next used."""
        for opened in (self._storage, self._networks, self._runtimes, self._volumes):
            for driver in opened.values():
                driver.close()
        if self._store is not None:
            self._store.close()
        self._store = None
        self._storage, self._networks, self._runtimes, self._volumes = {}, {}, {}, {}

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
