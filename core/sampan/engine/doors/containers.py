"""Open the doors to containers, whether they run or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors
from sampan.engine.progress import Report, silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, BinaryIO

    from sampan.contracts.log import Entry
    from sampan.engine.prune import Pruned
    from sampan.model.change import Change
    from sampan.model.container import Container, ContainerSpec, Limits, RestartPolicy
    from sampan.model.disk_usage import ContainerSize
    from sampan.model.image import Image
    from sampan.model.network import PortMapping


class Containers(Doors):
    """Containers as they are on record, and the trees of files that they have."""

    def create(self, spec: ContainerSpec) -> Container:
        """Put a container on record, with its writable layer. Raises NotFound when the image is not here."""
        from sampan.engine import create

        return create.create(self._engine, spec)

    def warnings(self, container: Container) -> list[str]:
        """Return what is to be told to whoever created a container."""
        if not container.spec.ports:
            return []
        from sampan.engine import ports

        told = "Published ports are discarded when using host network mode"
        return [told] if ports.discarded(self._engine, container) else []

    def ports(self, container: Container) -> list[PortMapping]:
        """Return the ports of a running container: those the host has for it, and those that are exposed only."""
        from sampan.engine import ports

        return ports.listed(container)

    def container(self, text: str) -> Container:
        """Return the container with this name or (shortened) id. Raises NotFound."""
        from sampan.engine import recovery

        return recovery.truth(self._engine, self._engine.store.containers.find(text))

    def containers(self, *, all: bool = False) -> list[Container]:  # noqa: A002  # what `ps --all` calls it
        """Return the running containers, or all of them, the newest first."""
        from sampan.engine import recovery

        recovery.reconcile(self._engine)
        records = self._engine.store.containers
        return records.all() if all else records.alive()

    def due_after_boot(self) -> list[Container]:
        """Return the containers that do not run and, by their restart policies, should once the machine is up."""
        from sampan.engine import policy

        return [one for one in reversed(self.containers(all=True)) if not one.alive and policy.after_boot(one)]

    def inspect_container(self, text: str, *, size: bool = False) -> dict[str, Any]:
        """Return what Docker's ``inspect`` shows of a container, with ``size`` what it takes of the disk too."""
        from sampan.engine.inspect import container as inspect_container

        return inspect_container.inspect_container(self._engine, text, size=size)

    def container_size(self, container: Container) -> ContainerSize:
        """Return what a container has written, and with its image, in bytes."""
        from sampan.engine import disk_usage

        return disk_usage.container_size(self._engine, container)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name. Raises InvalidInput for a wrong name, AlreadyExists for a taken one."""
        from sampan.engine import rename

        rename.rename(self._engine, container, name)

    def update(self, container: str, limits: Limits, *, restart: RestartPolicy | None = None) -> None:
        """Change the limits that ``limits`` has, at once where it runs, and the restart policy if one is given.

        Raises InvalidInput for what makes no sense, and Conflict for what does not go with the container.
        """
        from sampan.engine import update

        update.update(self._engine, container, limits, restart)

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a container that does not run, or with ``force`` one that is killed first.

        With ``volumes``, and always for one that is removed at its end, the volumes that nobody named go too.
        """
        from sampan.engine import remove

        remove.remove(self._engine, container, force=force, volumes=volumes)

    def prune_containers(
        self, *, until: float | None = None, labels: Sequence[str] = (), without: Sequence[str] = ()
    ) -> Pruned:
        """Remove the containers that do not run; which of them, see ``prune_images``."""
        from sampan.engine import prune

        return prune.prune_containers(self._engine, prune.Choice(until, labels, without))

    def logs(
        self, container: str, *, follow: bool = False, since: float = 0.0, until: float = 0.0, tail: int = -1
    ) -> Iterator[Entry]:
        """Yield what a container printed; with ``follow`` until it ends. Times in seconds since the epoch."""
        from sampan.engine import logs

        return logs.logs(self._engine, container, follow=follow, since=since, until=until, tail=tail)

    def diff(self, container: str) -> list[Change]:
        """Return what a container changed in its image's tree, each directory directly before what is in it."""
        from sampan.engine import diff

        return diff.diff(self._engine, container)

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
            self._engine, container, reference,
            author=author, message=message, changes=changes, freeze=pause, report=report,
        )  # fmt: skip

    def copy_in(self, container: str, path: str, source: str | BinaryIO, *, follow: bool = False) -> int:
        """Copy a path of the caller's, or what is in a tar archive, to a container, owners included.

        Raises Denied, as Docker words it, where the container may not write, besides what ``copy_out`` raises.
        """
        from sampan.engine import cp

        return cp.copy_in(self._engine, container, path, source, follow=follow)

    def copy_out(self, container: str, path: str, target: str | BinaryIO, *, follow: bool = False) -> int:
        """Copy a file or a directory of a container to a path of the caller's, whose it then is, or as a tar archive.

        A directory that ends in ``/.`` means what is in it. With ``follow`` a symbolic link means what it leads to.
        Returns the bytes copied. Raises NotFound, InvalidInput and Conflict in Docker's words.
        """
        from sampan.engine import cp

        return cp.copy_out(self._engine, container, path, target, follow=follow)
