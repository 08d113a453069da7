"""Give containers the volumes they ask for: settle which, fill new ones, and mount them for a run."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import volumes
from sampan.errors import InvalidInput, NotFound
from sampan.kernel import mount as mounting
from sampan.kernel import paths
from sampan.model.container import Container, ContainerSpec, Volume
from sampan.model.digest import Digest
from sampan.model.volume import VolumeRecord
from sampan.store import locks

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.image import Defaults
    from sampan.store.journal import Operation

PART = "volume-"
"""What the mount points of volumes' parts in a bundle are called, with a number."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def settle(engine: Engine, spec: ContainerSpec, defaults: Defaults) -> ContainerSpec:
    """Return the spec with all it mounts: its own, those of the containers it names, then the image's volumes.

    A target that has something already gets nothing else; anonymous volumes get their names. Raises NotFound for
    another container or an image, InvalidInput.
    """
    chosen = {os.path.normpath(volume.target): volume for volume in spec.volumes}
    for text in spec.volumes_from:
        for volume in _of_another(engine, text):
            chosen.setdefault(os.path.normpath(volume.target), volume)
    for target in defaults.volumes or {}:
        chosen.setdefault(os.path.normpath(target), Volume(kind="volume", target=target, given="image"))
    if not chosen:
        return spec
    return msgspec.structs.replace(
        spec, volumes=tuple(_named(engine, volume, spec) for volume in chosen.values()),
        image_volumes=tuple(defaults.volumes or ()),
    )


def _of_another(engine: Engine, text: str) -> Iterator[Volume]:
    name, _, mode = text.partition(":")
    if mode not in ("", "ro", "rw", "z", "Z"):
        raise InvalidInput(f"invalid mode: {mode}")
    for volume in engine.container(name).spec.volumes:
        if volume.kind != "tmpfs":
            volume = msgspec.structs.replace(volume, copy=False, anonymous=False, given="volumes-from")
            yield msgspec.structs.replace(volume, read_only=True) if mode == "ro" else volume


def _named(engine: Engine, volume: Volume, spec: ContainerSpec) -> Volume:
    if volume.kind == "image" and not volume.image:
        return msgspec.structs.replace(volume, image=engine.image(volume.source).id)
    if volume.kind != "volume":
        return volume
    return msgspec.structs.replace(
        volume, source=volume.source or os.urandom(32).hex(), anonymous=volume.anonymous or not volume.source,
        driver=volume.driver or spec.volume_driver,
    )


def wanted(engine: Engine, operation: Operation, container: Container) -> list[VolumeRecord]:
    """Return the volumes of a new container as they are, or shall be made; how to undo that is noted."""
    found = []
    for volume in container.spec.volumes:
        if volume.kind == "volume":
            recorded = engine.store.volumes.find(volume.source)
            default = recorded.driver if recorded else engine.settings.volume_driver
            found.append(VolumeRecord(
                name=volume.source, driver=volume.driver or default, created=time.time(), maker=operation.id,
                anonymous=volume.anonymous, options=volume.driver_options, labels=volume.labels,
            ))
            if recorded is None:
                volumes.plan(engine, operation, found[-1])
    return found


def fill(engine: Engine, container: Container) -> None:
    """Copy what the image has at a volume's target into the volume, if that is empty, owner and mode included."""
    for volume in container.spec.volumes:
        if volume.kind == "volume" and volume.copy:
            driver = engine.volumes(engine.store.volumes.get(volume.source).driver)
            with locks.exclusive(engine.layout, volumes.lock(volume.source)):
                target = driver.mount(volume.source, container.id)
                try:
                    if not os.listdir(target):
                        _copy(engine, container, volume, target)
                finally:
                    driver.unmount(volume.source, container.id)


def _copy(engine: Engine, container: Container, volume: Volume, target: str) -> None:
    from sampan import naive
    from sampan.kernel.copying import copy_tree

    with naive.mounted(engine.storage(container.storage_driver).mounts(container.id)) as tree:
        root = os.open(tree, _DIRECTORY)
        try:
            origin = paths.open_in(root, volume.target, _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        finally:
            os.close(root)
        try:
            copy_tree(f"{paths.name_of(origin)}/.", target)
        finally:
            os.close(origin)


def mount(engine: Engine, container: Container) -> dict[str, str]:
    """Make a container's volumes usable for a run; return the directory of each by its target.

    To be called in the host's mount namespace; ``unmount`` undoes it. Raises NotFound for a volume that is gone, and
    what its driver raises.
    """
    places = {}
    for volume in container.spec.volumes:
        if volume.kind == "volume":
            record = engine.store.volumes.get(volume.source)
            with locks.exclusive(engine.layout, volumes.lock(record.name)):
                places[volume.target] = engine.volumes(record.driver).mount(record.name, container.id)
    return places


def parts(engine: Engine, container: Container, places: dict[str, str], bundle: str) -> dict[str, str]:
    """Return the paths to mount: images, and where only a part of one or of a volume is asked for, that part.

    To be called in the monitor's own mount namespace, where these are mounted below ``bundle``, and with which the
    mounts go. Raises NotFound where there is no such part.
    """
    found = dict(places)
    for key, volume in images(container).items():
        found[volume.target] = f"{bundle}/{PART}{key}"
        os.mkdir(found[volume.target], 0o700)
        mounting.mount_all(engine.storage(container.storage_driver).mounts(key), found[volume.target])
    for number, volume in enumerate(container.spec.volumes):
        if volume.subpath:
            whole, found[volume.target] = found[volume.target], f"{bundle}/{PART}{number}"
            _mount_part(whole, volume, found[volume.target])
    return found


def images(container: Container) -> dict[str, Volume]:
    """Return the images that a container mounts, by their snapshots: its own, for who is privileged could write there.

    They also keep an image's layers where the image is removed by force.
    """
    return {f"{container.id}.{n}": one for n, one in enumerate(container.spec.volumes) if one.kind == "image"}


def prepare_images(engine: Engine, container: Container) -> None:
    """Have the images that a new container mounts unpacked by its storage driver. Its removal undoes it."""
    from sampan.engine import unpack

    for key, volume in images(container).items():
        image = engine.store.images.get(Digest(volume.image))
        chain = unpack.ensure_unpacked(engine, image, container.storage_driver)
        engine.storage(container.storage_driver).prepare(key, chain)


def open_part(where: str, volume: Volume) -> int:
    """Open what is to be mounted of a volume: of one that is at ``where`` the part asked for. Raises NotFound.

    By descriptor, so that those who use the volume cannot lead it elsewhere by a link (CVE-2021-30465).
    """
    root = os.open(where, os.O_PATH | os.O_CLOEXEC)
    if not volume.subpath:
        return root
    try:
        return paths.open_in(root, volume.subpath)
    except OSError as error:
        raise NotFound(
            f"cannot access path {volume.subpath} of {volume.kind} {volume.source}: {(error.strerror or '').lower()}"
        ) from error
    finally:
        os.close(root)


def _mount_part(where: str, volume: Volume, target: str) -> None:
    found = open_part(where, volume)
    try:
        if stat.S_ISDIR(os.fstat(found).st_mode):
            os.mkdir(target, 0o700)
        else:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        mounting.mount("none", paths.name_of(found), target, ("rbind",))
    finally:
        os.close(found)


def unmount(engine: Engine, container: Container) -> None:
    """Undo whatever there is of ``mount``."""
    for name in volumes.used(container):
        record = engine.store.volumes.find(name)
        if record:
            with locks.exclusive(engine.layout, volumes.lock(name)):
                engine.volumes(record.driver).unmount(name, container.id)

