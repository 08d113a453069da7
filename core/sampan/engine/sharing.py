"""Let containers share the network, pid and ipc namespaces of others, and the memory that belongs to the last."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import confinement
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.kernel import mount, namespaces
from sampan.model.container import Container, ContainerSpec, Status
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

SHARED = "container:"
"""What a mode begins with that names another container."""

MEMORY = "shm"
"""Where in a bundle the memory is mounted that others may share."""

_HOSTS = "/dev/shm"
_UNSHARED = ("", "private", "none")


def settle(engine: Engine, spec: ContainerSpec) -> ContainerSpec:
    """Return the spec with the containers that it shares namespaces with by their ids.

    Raises NotFound when one of them is not there, InvalidInput when none is named.
    """
    if spec.ipc_mode == SHARED:
        raise InvalidInput('can\'t join IPC of container : invalid name or ID supplied: ""')
    found = {
        field: f"{SHARED}{engine.container(mode.removeprefix(SHARED)).id}"
        for field, mode in (("pid_mode", spec.pid_mode), ("ipc_mode", spec.ipc_mode)) if mode.startswith(SHARED)
    }
    return msgspec.structs.replace(spec, **found)


@contextmanager
def joined(engine: Engine, container: Container) -> Iterator[dict[str, str]]:
    """Hold the namespaces of others that a container is to join, and yield their paths by kind.

    A namespace that the other one has from the host itself is left out. Raises NotFound when the other is gone, and
    Conflict when it does not run or does not share, in Docker's words.
    """
    held: dict[str, int] = {}
    try:
        for kind, donor in _donors(engine, container):
            descriptor = open_namespace(engine, donor, kind)
            held[kind] = descriptor
        own = {kind: os.stat(namespaces.path(kind)).st_ino for kind in held}
        yield {
            kind: f"/proc/{os.getpid()}/fd/{descriptor}"
            for kind, descriptor in held.items() if os.fstat(descriptor).st_ino != own[kind]
        }
    finally:
        for descriptor in held.values():
            os.close(descriptor)


def open_namespace(engine: Engine, donor: Container, kind: str) -> int:
    """Open a namespace of a running container; the caller closes it. Raises Conflict where that has ended."""
    try:
        descriptor = os.open(namespaces.path(kind, donor.pid), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _not_running(donor) from None
    # Asked when it is open: the pid may have become that of a process which is none of the container's.
    if donor.pid not in engine.runtime(donor.runtime).pids(donor.id):
        os.close(descriptor)
        raise _not_running(donor)
    return descriptor


def memory(engine: Engine, container: Container, kinds: Iterable[str], bundle: str) -> str:
    """Return the directory to find at /dev/shm, mounted in the bundle where it is for others too; empty: none.

    To be called in the monitor's own mount namespace, with which the mount goes. ``kinds`` are those of the namespaces
    that the container joins. Raises as ``joined`` does.
    """
    mode, where = container.spec.ipc_mode, f"{bundle}/{MEMORY}"
    if mode == "host":
        return _HOSTS
    if mode == "shareable":
        os.mkdir(where, 0o700)
        own = confinement.shared_memory(container.spec.shm_size)
        mount.mount(own.type, own.source, where, own.options)
        return where
    if not mode.startswith(SHARED):
        return ""
    if "ipc" not in kinds:  # the other one has the host's
        return _HOSTS
    os.mkdir(where, 0o700)
    tree = _memory_of(engine, _ipc_donor(engine, mode.removeprefix(SHARED)))
    try:
        mount.attach(tree, where)
    finally:
        os.close(tree)
    return where


def _memory_of(engine: Engine, donor: Container) -> int:
    """Return a detached clone of another container's memory, from its monitor's mount namespace.

    From there, and not from the container's own, where what is at /dev/shm is for those inside to decide.
    """
    try:
        theirs = os.open(namespaces.path("mount", owner.pid_of(donor.monitor)), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _not_running(donor) from None
    try:
        if not owner.alive(donor.monitor):  # asked when it is open, as above
            raise _not_running(donor)
        with namespaces.entered("mount", theirs):
            return mount.clone(f"{engine.layout.bundle(donor.id)}/{MEMORY}", recursive=False)
    except FileNotFoundError:
        raise _not_running(donor) from None
    finally:
        os.close(theirs)


def network_owner(engine: Engine, container: Container) -> Container:
    """Return the container whose network this one is on: itself, or the one it shares it with, or that one does.

    Raises NotFound when that is gone, and Conflict when it does not run.
    """
    if not container.spec.network.startswith(SHARED):
        return container
    name = container.spec.network.removeprefix(SHARED)
    other = network_owner(engine, engine.container(name))
    if not other.alive or not other.pid:
        raise Conflict(f"cannot join network of a non running container: {name}", f"start {other.name} first")
    return other


def _donors(engine: Engine, container: Container) -> Iterator[tuple[str, Container]]:
    spec = container.spec
    if spec.network.startswith(SHARED):
        yield "network", network_owner(engine, container)
    if spec.pid_mode.startswith(SHARED):
        yield "pid", _pid_donor(engine, spec.pid_mode.removeprefix(SHARED))
    if spec.ipc_mode.startswith(SHARED):
        yield "ipc", _ipc_donor(engine, spec.ipc_mode.removeprefix(SHARED))


def _pid_donor(engine: Engine, name: str) -> Container:
    try:
        donor = engine.container(name)
    except NotFound as error:
        raise NotFound(f"cannot join PID of a non running container: {name}: {error.message}") from error
    return _running(donor)


def _ipc_donor(engine: Engine, name: str) -> Container:
    words = f"can't join IPC of container {name}"
    try:
        donor = _running(engine.container(name))
    except (NotFound, Conflict) as error:
        raise type(error)(f"{words}: {error.message}") from error
    if donor.spec.ipc_mode in _UNSHARED:
        raise Conflict(f"{words}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)")
    return donor


def _running(container: Container) -> Container:
    if container.status is Status.RESTARTING:
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    if not container.alive:
        raise _not_running(container)
    return container


def _not_running(container: Container) -> Conflict:
    return Conflict(f"container {container.id} is not running")
