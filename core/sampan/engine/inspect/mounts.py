"""Show what a container mounts as Docker's ``inspect`` does, each kind where Docker tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import ContainerSpec, Volume
    from sampan.model.mount import Mount


def asked_for(spec: ContainerSpec) -> dict[str, Any]:
    """Return the members of HostConfig that tell what ``-v``, ``--mount`` and ``--tmpfs`` asked for."""
    flags = [volume for volume in spec.volumes if not volume.given]
    binds = [_bind(volume) for volume in flags if volume.kind != "tmpfs" and not volume.anonymous]
    mounts = [_mount(volume) for volume in spec.volumes if volume.given == "mount"]
    tmpfs = {volume.target: ",".join(volume.options) for volume in flags if volume.kind == "tmpfs"}
    return {
        "Binds": binds or None,
        **({"Mounts": mounts} if mounts else {}),
        **({"Tmpfs": tmpfs} if tmpfs else {}),
    }


def declared(spec: ContainerSpec) -> dict[str, Any] | None:
    """Return where there is to be a volume, whichever it is: as ``-v`` without a source and the image say."""
    places = [volume.target for volume in spec.volumes if volume.anonymous and not volume.given]
    return {place: {} for place in (*places, *spec.image_volumes)} or None


def mounted(engine: Engine, volumes: Sequence[Volume]) -> list[dict[str, Any]]:
    """Return what is mounted where; like Docker, without what ``--tmpfs`` asked for."""
    return [_mounted(engine, volume) for volume in volumes if volume.kind != "tmpfs" or volume.given]


def directories(mounts: Sequence[Mount]) -> dict[str, str]:
    """Return where a storage driver has a tree, in Docker's names, by the mounts that the tree takes."""
    options = [option.partition("=") for mount in mounts for option in mount.options]
    found = {_DIRECTORIES[key]: value for key, _, value in options if key in _DIRECTORIES}
    return found or {"Dir": mounts[0].source}


_DIRECTORIES = {"lowerdir": "LowerDir", "upperdir": "UpperDir", "workdir": "WorkDir"}


def _bind(volume: Volume) -> str:
    return ":".join(filter(None, (volume.source, volume.target, _mode(volume))))


def _mode(volume: Volume) -> str:
    """Return the last part of a ``-v``."""
    return ",".join((*(["ro"] if volume.read_only else []), *volume.options, *([] if volume.copy else ["nocopy"])))


def _mount(volume: Volume) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Type": volume.kind, "Source": "" if volume.anonymous else volume.source, "Target": volume.target,
        "ReadOnly": volume.read_only, "BindOptions": _bind_options(volume),
        "VolumeOptions": _volume_options(volume) if volume.kind == "volume" else {},
        "ImageOptions": {"Subpath": volume.subpath} if volume.kind == "image" and volume.subpath else {},
        "TmpfsOptions": _tmpfs_options(volume),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _bind_options(volume: Volume) -> dict[str, Any]:
    found: dict[str, Any] = {"Propagation": volume.propagation} if volume.propagation else {}
    return {**found, _RECURSIVE[volume.recursive]: True} if volume.recursive else found


_RECURSIVE = {
    "disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive", "readonly": "ReadOnlyForceRecursive",
}  # fmt: skip


def _volume_options(volume: Volume) -> dict[str, Any]:
    driver = {"Name": volume.driver, "Options": volume.driver_options}
    found = {"NoCopy": not volume.copy, "Labels": volume.labels, "Subpath": volume.subpath,
             "DriverConfig": {key: value for key, value in driver.items() if value}}  # fmt: skip
    given = {key: value for key, value in found.items() if value}
    return {**given, "DriverConfig": given.get("DriverConfig", {})} if given else {}


def _tmpfs_options(volume: Volume) -> dict[str, int]:
    options = dict(option.split("=") for option in volume.options if "=" in option)
    return {
        **({"SizeBytes": int(options["size"])} if "size" in options else {}),
        **({"Mode": int(options["mode"], 8)} if "mode" in options else {}),
    }


def _mounted(engine: Engine, volume: Volume) -> dict[str, Any]:
    source, named, driver = volume.source, {}, {}
    if volume.kind == "volume":
        record = engine.store.volumes.find(volume.source)
        named = {"Name": volume.source}
        driver = {"Driver": record.driver if record else volume.driver}
        source = engine.volumes(record.driver).where(record.name) if record else ""
    elif volume.kind == "image":
        # Docker tells where it has the image mounted; here that is nowhere but in the container.
        source, named = volume.image, {"Name": volume.source}
    return {
        "Type": volume.kind,
        **named,
        "Source": source,
        "Destination": volume.target,
        **driver,
        "Mode": _shown_mode(volume),
        "RW": volume.writable,
        "Propagation": (volume.propagation or "rprivate") if volume.kind == "bind" else "",
    }


def _shown_mode(volume: Volume) -> str:
    """Return the mode that ``-v`` gave; Docker has ``z`` where a volume that was named got none."""
    if volume.given == "mount":
        return "z" if volume.kind == "volume" else ""
    if volume.given:
        return ",".join(volume.options)
    return _mode(volume) or ("z" if volume.kind == "volume" and not volume.anonymous else "")
