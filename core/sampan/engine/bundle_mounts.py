"""Decide what is mounted inside a container, and in what order."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sampan.engine import confinement
from sampan.errors import InvalidInput
from sampan.model import runtime_spec as oci

if TYPE_CHECKING:
    from sampan.model.container import Container, ContainerSpec, Volume

HOST_FILES = ("resolv.conf", "hostname", "hosts")
_TMPFS = ("rw", "noexec", "nosuid", "nodev")


def mounts(
    container: Container, places: Mapping[str, str], memory: str, filename: Callable[[str], str]
) -> list[oci.Mount]:
    """Return the mounts: the system's, the engine's own files, and the user's, parents before what is in them.

    ``places`` has where each volume is, by its target, and ``memory`` where the shared memory is, if it is shared.
    """
    spec = container.spec
    chosen = {_clean(volume.target): _volume(volume, places.get(volume.target, "")) for volume in spec.volumes}
    # Who brings a /dev of their own brings all of it.
    system = [
        mount for mount in _system(spec, memory)
        if mount.destination not in chosen and not ("/dev" in chosen and mount.destination.startswith("/dev/"))
    ]
    options = ["rbind", *(["ro"] if spec.read_only else []), "rprivate"]
    own = [
        oci.Mount(destination=f"/etc/{name}", type="bind", source=filename(name), options=list(options))
        for name in HOST_FILES
        if f"/etc/{name}" not in chosen
    ]
    if init(spec):
        own.append(_init())
    return [*system, *sorted([*own, *chosen.values()], key=lambda mount: mount.destination.count("/"))]


def _system(spec: ContainerSpec, memory: str) -> list[oci.Mount]:
    """Return the system's mounts; shared memory is others' too, or there is none, where the ipc mode says so."""
    found = confinement.mounts(privileged=spec.privileged, shm_size=spec.shm_size)
    if not memory and spec.ipc_mode != "none":
        return found
    found = [mount for mount in found if mount.destination != "/dev/shm"]
    if memory:
        options = ["rbind", "nosuid", "noexec", "nodev", "rprivate"]
        found.append(oci.Mount(destination="/dev/shm", type="bind", source=memory, options=options))
    return found


def check(volumes: tuple[Volume, ...]) -> None:
    """Refuse what cannot be mounted, and make the directories that are to be made. Raises InvalidInput."""
    targets = set()
    for volume in volumes:
        target = _clean(volume.target)
        if not volume.target.startswith("/"):
            raise InvalidInput(f"invalid mount path: '{volume.target}' mount path must be absolute")
        if target == "/":
            raise InvalidInput("invalid specification: destination can't be '/'")
        if target in targets:
            raise InvalidInput(f"Duplicate mount point: {volume.target}")
        targets.add(target)
        if volume.subpath and not _local(volume.subpath):
            raise InvalidInput(
                f'invalid mount config for type "{volume.kind}": subpath must be a relative path within the volume'
            )
        if volume.kind == "bind":
            _check_source(volume)


def _local(path: str) -> bool:
    """Tell whether a relative path stays below where it begins, links aside."""
    return not path.startswith("/") and os.path.normpath(path).partition("/")[0] != ".."


def _check_source(volume: Volume) -> None:
    if not volume.source.startswith("/"):
        raise InvalidInput(f"invalid mount config: bind source path must be absolute: {volume.source}")
    if os.path.exists(volume.source):
        return
    if not volume.create_source:
        raise InvalidInput(
            f'invalid mount config for type "bind": bind source path does not exist: {volume.source}'
        )
    os.makedirs(volume.source, exist_ok=True)


def _volume(volume: Volume, place: str) -> oci.Mount:
    target = _clean(volume.target)
    if volume.kind == "tmpfs":
        options = [*_TMPFS, *volume.options]
        return oci.Mount(destination=target, type="tmpfs", source="tmpfs", options=options)
    options = ["bind" if volume.recursive == "disabled" else "rbind"]
    if not volume.writable:
        options.append("ro" if volume.recursive == "writable" else "rro")
    options.append(volume.propagation or "rprivate")
    return oci.Mount(destination=target, type="bind", source=place or volume.source, options=options)


def _init() -> oci.Mount:
    return oci.Mount(
        destination=INIT_PATH, type="bind", source=find_init(), options=["bind", "ro", "rprivate"]
    )


INIT_PATH = "/sbin/docker-init"
"""Where the minimal process 1 of ``--init`` appears in the container."""


def init(spec: ContainerSpec) -> list[str]:
    """Return the words that run a command below a minimal process 1; none where process 1 is another's anyway."""
    return [INIT_PATH, "--"] if spec.init and not spec.pid_mode else []


def find_init() -> str:
    """Return the host's minimal init program. Raises Unsupported when it has none."""
    from sampan.errors import Unsupported

    for name in ("tini-static", "docker-init", "catatonit"):
        for directory in ("/usr/bin", "/usr/local/bin", "/usr/libexec/podman", "/usr/sbin"):
            if os.access(f"{directory}/{name}", os.X_OK):
                return f"{directory}/{name}"
    raise Unsupported("--init needs a minimal init program", "apt-get install tini")


def _clean(target: str) -> str:
    return os.path.normpath("/" + target.lstrip("/"))
