"""End a run, and undo whatever there is of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.engine import networking, sharing, volume_use
from sampan.errors import NotFound, Unsupported
from sampan.kernel import mount
from sampan.store import locks, owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container


def halt(engine: Engine, container: Container) -> None:
    """End a run whose monitor failed or was killed, unless another monitor has begun one since, which clears up."""
    with locks.exclusive(engine.layout, locks.of_container(container.id)):
        try:
            monitor = engine.store.containers.get(container.id).monitor
        except NotFound:
            return
        if not monitor or monitor == owner.current() or not owner.alive(monitor):
            end(engine, container)


def end(engine: Engine, container: Container) -> None:
    """Kill what still runs, and undo cgroup, mount, network and bundle. Possible at any time, and twice."""
    engine.runtime(container.runtime).delete(container.id, force=True)
    bundle = engine.layout.bundle(container.id)
    if not os.path.exists(bundle):
        _clear_group(container)  # whoever removed it has taken from the runtime what it knew as well
    # Mounted only in the monitor's own mount namespace; elsewhere there is nothing to unmount.
    mount.unmount(f"{bundle}/rootfs")
    networking.disconnect(engine, container)
    volume_use.unmount(engine, container)
    remove_bundle(bundle)


def _clear_group(container: Container) -> None:
    from sampan.engine import limits
    from sampan.kernel import cgroups

    try:
        cgroups.sweep(limits.cgroup_path(container.spec.cgroup_parent, container.id))
    except Unsupported:
        return  # there are none


def remove_bundle(bundle: str) -> None:
    """Remove a bundle that is mounted nowhere. Gone already: done."""
    # By name and with rmdir: a recursive removal that met a root file system still mounted would empty it.
    for name in ("config.json", ".config.json", "attach.sock"):
        try:
            os.unlink(f"{bundle}/{name}")
        except FileNotFoundError:
            pass
    for name in _parts(bundle):
        _remove_mount_point(f"{bundle}/{name}")
    for directory in (f"{bundle}/rootfs", f"{bundle}/{sharing.MEMORY}", bundle):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            pass


def _parts(bundle: str) -> list[str]:
    try:
        return [name for name in os.listdir(bundle) if name.startswith(volume_use.PART)]
    except FileNotFoundError:
        return []


def _remove_mount_point(path: str) -> None:
    mount.unmount(path)
    try:
        os.rmdir(path)
    except NotADirectoryError:
        os.unlink(path)
