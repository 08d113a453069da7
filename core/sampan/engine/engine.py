"""Hold what every verb needs: settings, plugins, the store, and drivers opened once.

Each public method is a thin door to the module of its verb, which is imported when it is first used.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from sampan.config import Settings
from sampan.engine.progress import Report, silent
from sampan.errors import Unsupported
from sampan.store.layout import Layout
from sampan.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from sampan.contracts.log import Entry
    from sampan.contracts.network import NetworkDriver
    from sampan.contracts.registry import Account, Registry
    from sampan.contracts.runtime import Runtime, Stdio
    from sampan.contracts.storage import StorageDriver
    from sampan.contracts.volume import VolumeDriver
    from sampan.engine.attach import Attachment
    from sampan.engine.check_finding import Finding
    from sampan.engine.exec_ import ExecRequest, Execution
    from sampan.engine.history import Step
    from sampan.engine.load import Loaded
    from sampan.engine.prune import Pruned
    from sampan.engine.pull import Pulled
    from sampan.engine.push import Pushed
    from sampan.model.change import Change
    from sampan.model.container import Container, ContainerSpec, Limits, RestartPolicy
    from sampan.model.disk_usage import ContainerSize, DiskUsage, ImageUsage
    from sampan.model.image import Image
    from sampan.model.usage import Usage
    from sampan.model.volume import VolumeRecord
    from sampan.plugin.manager import Plugins


class Engine:
    """A container engine on one root. A context manager; not to be carried across a fork.

    >>> with Engine() as engine:
    ...     pulled = engine.pull("busybox")
    ...     container = engine.create(ContainerSpec(image="busybox", command=("echo", "hello")))
    ...     engine.start(container.id)
    """

    def __init__(self, settings: Settings | None = None, plugins: Plugins | None = None) -> None:
        self.settings = settings or Settings()
        self._plugins = plugins
        self.layout = Layout(os.path.abspath(self.settings.root), os.path.abspath(self.settings.run_root))
        self._store: Store | None = None
        self._storage: dict[str, StorageDriver] = {}
        self._networks: dict[str, NetworkDriver] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._volumes: dict[str, VolumeDriver] = {}
        self.loaded: set[str] = set()
        """The modules that monitors loaded beyond those of the process that started them."""

    # -- what the verbs stand on ------------------------------------------------------------------

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
        return self.plugins.open_registry(self.settings.registry, repository, host)

    def volumes(self, name: str) -> VolumeDriver:
        """Return the named volume driver."""
        if name not in self._volumes:
            self._volumes[name] = self.plugins.open_volumes(name, self.layout.volumes(name))
        return self._volumes[name]

    def disown(self) -> None:
        """Forget what a fork must not share (the database, open drivers); they are opened anew when next used."""
        self._store = None
        self._storage, self._networks, self._runtimes, self._volumes = {}, {}, {}, {}

    def close(self) -> None:
        """Close drivers and store."""
        for opened in (self._storage, self._networks, self._runtimes, self._volumes):
            for driver in opened.values():
                driver.close()
        if self._store is not None:
            self._store.close()
        self.disown()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- images -----------------------------------------------------------------------------------

    def pull(self, reference: str, *, platform: str = "", report: Report = silent) -> Pulled:
        """Fetch an image from its registry and unpack it; ``platform`` as ``os/arch[/variant]``."""
        from sampan.engine import pull

        return pull.pull(self, reference, platform=platform, report=report)

    def pull_all(self, repository: str, *, platform: str = "", report: Report = silent) -> Iterator[Pulled]:
        """Fetch what each tag of a repository stands for, and yield it when it is here."""
        from sampan.engine import pull

        return pull.pull_all(self, repository, platform=platform, report=report)

    def push(self, reference: str, *, platform: str = "", report: Report = silent) -> Pushed:
        """Send an image to its registry, byte for byte as it came here; ``platform`` must be the image's."""
        from sampan.engine import push

        return push.push(self, reference, platform=platform, report=report)

    def push_all(self, repository: str, *, platform: str = "", report: Report = silent) -> Iterator[Pushed]:
        """Send what each tag of a repository stands for here, and yield it when it is there."""
        from sampan.engine import push

        return push.push_all(self, repository, platform=platform, report=report)

    def images(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, all: bool = False  # noqa: A002  # as for containers
    ) -> list[Image]:
        """Return the images that pass every filter (see ``sampan.engine.images``), the newest first.

        Without ``all`` those that others were committed from and that have no name are left out.
        """
        from sampan.engine import images

        return images.images(self, filters, everything=all)

    def image(self, text: str) -> Image:
        """Return the image with this name, digest or (shortened) id. Raises NotFound."""
        return self.store.images.find(text)

    def remove_image(
        self, text: str, *, force: bool = False, prune: bool = True, platforms: Sequence[str] = ()
    ) -> list[str]:
        """Remove a name, or the image itself with its last name; return Docker's Untagged and Deleted lines.

        With ``prune`` the parents that this leaves without a use go too; the image must be of one of ``platforms``.
        """
        from sampan.engine import remove_image

        return remove_image.remove_image(self, text, force=force, prune=prune, wanted=platforms).lines

    def tag(self, source: str, target: str) -> None:
        """Give an image another name; one that another image had passes to it."""
        from sampan.engine import tag

        tag.tag(self, source, target)

    def history(self, text: str, *, platform: str = "") -> list[Step]:
        """Return the steps that an image came to be by, the last first."""
        from sampan.engine import history

        return history.history(self, text, platform=platform)

    def image_usage(self, images: Iterable[Image]) -> list[ImageUsage]:
        """Return what images take of the disk."""
        from sampan.engine import disk_usage

        return disk_usage.of_images(self, images)

    def prune_images(
        self, *, all: bool = False, until: float | None = None, labels: Sequence[str] = (), without: Sequence[str] = (),  # noqa: A002
    ) -> Pruned:
        """Remove the images without a tag that nothing needs, or ``all`` that no container needs.

        Only those made ``until`` then, in seconds since the epoch, with all of ``labels`` and none of ``without``.
        """
        from sampan.engine import prune

        return prune.prune_images(self, prune.Choice(until, labels, without), everything=all)

    def import_image(
        self,
        source: BinaryIO | str,
        reference: str = "",
        *,
        message: str = "",
        changes: tuple[str, ...] = (),
        platform: str = "",
        report: Report = silent,
    ) -> Image:
        """Make an image of one layer from a snapshot of a root file system, or a directory's path."""
        from sampan.engine import import_image

        return import_image.import_image(
            self, source, reference, message=message, changes=changes, platform=platform, report=report
        )

    def save(self, names: Sequence[str], out: BinaryIO, *, format: str = "", platform: str = "") -> None:  # noqa: A002  # what it is
        """Write images, by name or id, to ``out`` as one archive; ``format`` empty: the settings'."""
        from sampan.engine import save

        save.save(self, names, out, form=format, platform=platform)

    def load(
        self,
        source: BinaryIO | str,
        *,
        format: str = "",  # noqa: A002  # what it is
        platform: str = "",
        report: Report = silent,
    ) -> list[Loaded]:
        """Bring in every image of an archive: a file's or directory's path, or a stream; ``format`` empty: any."""
        from sampan.engine import load

        return load.load(self, source, form=format, platform=platform, report=report)

    def export(self, container: str, out: BinaryIO, *, format: str = "") -> None:  # noqa: A002  # the flag's name
        """Write a container's root file system to ``out`` as a snapshot, in a ``format``, by name, or the settings'."""
        from sampan.engine import export

        export.export(self, container, out, format)

    def commit(
        self, container: str, reference: str = "", *,
        author: str = "", message: str = "", changes: Sequence[str] = (), pause: bool = True, report: Report = silent,
    ) -> Image:  # fmt: skip
        """Make an image of a container, in whatever state: its image, and a layer of what it changed if anything.

        The configuration is the container's, changed by Dockerfile instructions. A running container is frozen
        meanwhile unless ``pause`` is false. Raises InvalidInput, Conflict while it is being created, removed or
        restarted, and OutOfSpace; then nothing stays.
        """
        from sampan.engine import commit

        return commit.commit(
            self, container, reference, author=author, message=message, changes=changes, freeze=pause, report=report
        )

    def diff(self, container: str) -> list[Change]:
        """Return what a container changed in its image's tree, each directory directly before what is in it."""
        from sampan.engine import diff

        return diff.diff(self, container)

    # -- registries -------------------------------------------------------------------------------

    def account(self, server: str = "") -> Account:
        """Tell what credentials are kept for a registry, ``host[:port]``; empty: Docker Hub."""
        from sampan.engine import login

        return login.account(self, server)

    def login(self, server: str = "", user: str = "", password: str = "") -> str:
        """Keep credentials that the registry accepts; given none, check those kept. Raises Denied.

        Returns the file that holds them unencrypted, if one does.
        """
        from sampan.engine import login

        return login.login(self, server, user, password)

    def logout(self, server: str = "") -> bool:
        """Forget a registry's credentials; False when none are kept."""
        from sampan.engine import login

        return login.logout(self, server)

    # -- containers -------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> Container:
        """Put a container on record, with its writable layer. Raises NotFound when the image is not here."""
        from sampan.engine import create

        return create.create(self, spec)

    def containers(self, *, all: bool = False) -> list[Container]:  # noqa: A002  # what `ps --all` calls it
        """Return the running containers, or all of them, the newest first."""
        from sampan.engine import recovery

        recovery.reconcile(self)
        return self.store.containers.all() if all else self.store.containers.alive()

    def container(self, text: str) -> Container:
        """Return the container with this name or (shortened) id. Raises NotFound."""
        from sampan.engine import recovery

        return recovery.truth(self, self.store.containers.find(text))

    def start(
        self, container: str, *, attach: bool = False, size: tuple[int, int] | None = None
    ) -> Attachment | None:
        """Run a created or exited container under a monitor of its own; running already: nothing to do.

        With ``attach`` its streams are returned, connected before its first process begins; ``size`` is its
        terminal's height and width in characters. Raises CommandNotFound,
        CommandNotExecutable and whatever else keeps it from starting; then it is as it was.
        """
        from sampan.engine import start

        return start.start(self, container, attach=attach, size=size)

    def attach(self, container: str) -> Attachment:
        """Connect to the streams of a running container. Raises Conflict unless it runs."""
        from sampan.engine import attach

        return attach.attach(self, container)

    def detach(self, attachment: Attachment) -> None:
        """Leave a container's streams, because the user said so."""
        from sampan.engine import events

        attachment.close()
        events.container(self, attachment.container, "detach")

    def exec(self, container: str, request: ExecRequest, stdio: Stdio) -> Execution:
        """Run another process in a running container."""
        from sampan.engine import exec_

        return exec_.exec_(self, container, request, stdio)

    def stop(self, container: str, *, timeout: int | None = None, signal: str = "") -> None:
        """Ask the container to end, by its stop signal or ``signal``; kill it after ``timeout`` seconds.

        None means the container's own time, ten seconds if it has none; -1 means wait for ever.
        """
        from sampan.engine import stop

        stop.stop(self, container, timeout=timeout, signal=signal)

    def restart(self, container: str, *, timeout: int | None = None, signal: str = "") -> None:
        """Stop a container as ``stop`` does, and start it; one that does not run is only started."""
        from sampan.engine import stop

        stop.restart(self, container, timeout=timeout, signal=signal)

    def pause(self, container: str) -> None:
        """Freeze every process of a container. Raises Conflict unless it runs."""
        from sampan.engine import pause

        pause.pause(self, container)

    def unpause(self, container: str) -> None:
        """Let a paused container go on. Raises Conflict unless it is paused."""
        from sampan.engine import pause

        pause.unpause(self, container)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name. Raises InvalidInput for a wrong name, AlreadyExists for a taken one."""
        from sampan.engine import rename

        rename.rename(self, container, name)

    def top(self, container: str, options: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
        """Return titles and rows of what the host's ps(1) tells of a container's processes.

        ``options`` are ps's, ``-ef`` if there are none. Raises Conflict unless it runs.
        """
        from sampan.engine import top

        return top.top(self, container, options)

    def update(self, container: str, limits: Limits, *, restart: RestartPolicy | None = None) -> None:
        """Change the limits that ``limits`` has, at once where it runs, and the restart policy if one is given.

        Raises InvalidInput for what makes no sense, and Conflict for what does not go with the container.
        """
        from sampan.engine import update

        update.update(self, container, limits, restart)

    def usage(self, container: Container) -> Usage:
        """Return what a container has used of the machine so far; nothing where it does not run."""
        from sampan.engine import usage

        return usage.usage(self, container)

    def copy_out(self, container: str, path: str, target: str | BinaryIO, *, follow: bool = False) -> int:
        """Copy a file or a directory of a container to a path of the caller's, whose it then is, or as a tar archive.

        A directory that ends in ``/.`` means what is in it. With ``follow`` a symbolic link means what it leads to.
        Returns the bytes copied. Raises NotFound, InvalidInput and Conflict in Docker's words.
        """
        from sampan.engine import cp

        return cp.copy_out(self, container, path, target, follow=follow)

    def copy_in(self, container: str, path: str, source: str | BinaryIO, *, follow: bool = False) -> int:
        """Copy a path of the caller's, or what is in a tar archive, to a container, owners included.

        Raises Denied, as Docker words it, where the container may not write, besides what ``copy_out`` raises.
        """
        from sampan.engine import cp

        return cp.copy_in(self, container, path, source, follow=follow)

    def due_after_boot(self) -> list[Container]:
        """Return the containers that do not run and, by their restart policies, should once the machine is up."""
        from sampan.engine import policy

        return [one for one in reversed(self.containers(all=True)) if not one.alive and policy.after_boot(one)]

    def kill(self, container: str, signal: str = "KILL") -> None:
        """Send a signal, by name or number, to a running container's first process."""
        from sampan.engine import stop

        stop.kill(self, container, signal)

    def wait(self, container: str) -> int:
        """Wait until a container is not running; return its exit code."""
        from sampan.engine import stop

        return stop.wait(self, container)

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a container that does not run, or with ``force`` one that is killed first.

        With ``volumes``, and always for one that is removed at its end, the volumes that nobody named go too.
        """
        from sampan.engine import remove

        remove.remove(self, container, force=force, volumes=volumes)

    def prune_containers(
        self, *, until: float | None = None, labels: Sequence[str] = (), without: Sequence[str] = ()
    ) -> Pruned:
        """Remove the containers that do not run; which of them, see ``prune_images``."""
        from sampan.engine import prune

        return prune.prune_containers(self, prune.Choice(until, labels, without))

    def container_size(self, container: Container) -> ContainerSize:
        """Return what a container has written, and with its image, in bytes."""
        from sampan.engine import disk_usage

        return disk_usage.container_size(self, container)

    def logs(
        self, container: str, *, follow: bool = False, since: float = 0.0, until: float = 0.0, tail: int = -1
    ) -> Iterator[Entry]:
        """Yield what a container printed; with ``follow`` until it ends. Times in seconds since the epoch."""
        from sampan.engine import logs

        return logs.logs(self, container, follow=follow, since=since, until=until, tail=tail)

    def inspect_container(self, text: str, *, size: bool = False) -> dict[str, Any]:
        """Return what Docker's ``inspect`` shows of a container, with ``size`` what it takes of the disk too."""
        from sampan.engine import inspect_container

        return inspect_container.inspect_container(self, text, size=size)

    def inspect_image(self, text: str, *, platform: str = "") -> dict[str, Any]:
        """Return what Docker's ``inspect`` shows of an image."""
        from sampan.engine import inspect_image

        return inspect_image.inspect_image(self, text, platform=platform)

    def disk_usage(self) -> DiskUsage:
        """Return what images and containers take of the disk."""
        from sampan.engine import disk_usage

        return disk_usage.disk_usage(self)

    def events(
        self, *, since: int | None = None, until: int | None = None, filters: Mapping[str, Sequence[str]] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what happens to containers and images, in the shape of Docker's API, until ``until``; None: for ever.

        Times are nanoseconds since the epoch; without ``since`` what happened before is left out. Raises InvalidInput
        for a filter there is not.
        """
        from sampan.engine import event_log

        return event_log.events(self, since=since, until=until, filters=filters)

    def info(self) -> dict[str, Any]:
        """Return what Docker's ``info`` shows: counts, drivers, the machine."""
        from sampan.engine import info

        return info.info(self)

    def check(self, *, repair: bool = False, quick: bool = False, unpacked: bool = False) -> Iterator[Finding]:
        """Yield what is wrong with the store, having mended with ``repair`` what can be without loss.

        ``quick`` does not hash layers; ``unpacked`` compares what storage drivers hold with the layers, file by file.
        """
        from sampan.engine import check

        return check.check(self, repair=repair, quick=quick, unpacked=unpacked)

    # -- volumes ----------------------------------------------------------------------------------

    def create_volume(
        self, name: str = "", *, driver: str = "", options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> VolumeRecord:
        """Return the volume of this name, made if there is none; without a name a new one."""
        from sampan.engine import volumes

        return volumes.create(self, name, driver=driver, options=options or {}, labels=labels or {})

    def list_volumes(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[VolumeRecord]:
        """Return the volumes that pass every filter (see ``sampan.engine.volumes``), by name."""
        from sampan.engine import volumes

        return volumes.volumes(self, filters)

    def remove_volume(self, name: str) -> None:
        """Remove a volume that no container uses."""
        from sampan.engine import volumes

        volumes.remove(self, name)

    def prune_volumes(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, everything: bool = False
    ) -> tuple[list[str], int]:
        """Remove the anonymous volumes, or all, that no container uses; return their names and the bytes freed."""
        from sampan.engine import volumes

        return volumes.prune(self, filters, everything=everything)

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """Return what Docker's ``volume inspect`` shows."""
        from sampan.engine import volumes

        return volumes.inspect(self, name)
