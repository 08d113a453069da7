"""Put a container on record, with its writable layer."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import (
    bundle_mounts,
    confinement,
    events,
    links,
    names,
    networking,
    policy,
    ports,
    process,
    security,
    sharing,
    undo,
)
from sampan.errors import Unsupported
from sampan.model.container import Container, ContainerSpec, Status
from sampan.model.image import Image, ImageConfig

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.volume import VolumeRecord
    from sampan.store.journal import Operation


def create(engine: Engine, spec: ContainerSpec) -> Container:
    """Create a container; killed in the middle, the next command clears away what there was of it."""
    image = engine.image(spec.image)
    container = _describe(engine, spec, image)
    with engine.store.journal.operation("create", lambda action: undo.undo(engine, action)) as operation:
        wanted = _volumes(engine, operation, container)  # their notes come first, so as to be carried out last
        held = engine.store.layers.held(container.storage_driver, image.id)
        with engine.store.database.transaction() as cursor:
            operation.plan("container", container.id, cursor=cursor)
            # Should the image be removed by force meanwhile, its layers stay for as long as the container does.
            operation.lease([chain for chain, _ in held], cursor)
        chain = _unpacked(engine, image, container.storage_driver)
        engine.store.containers.add(container)
        engine.storage(container.storage_driver).prepare(container.id, chain)
        os.makedirs(engine.layout.container(container.id), mode=0o700)
        # The container is on record: from here on nobody removes what it uses.
        if container.spec.volumes:
            from sampan.engine import volume_use, volumes

            volume_use.prepare_images(engine, container)
            for volume in wanted:
                volumes.ensure(engine, volume)
            volume_use.fill(engine, container)
        with engine.store.database.transaction() as cursor:
            container = engine.store.containers.change(cursor, container.id, status=Status.CREATED)
            operation.finish(cursor)
    events.container(engine, container, "create")
    engine.plugins.container_created(container)
    return container


def _volumes(engine: Engine, operation: Operation, container: Container) -> list[VolumeRecord]:
    if not any(volume.kind == "volume" for volume in container.spec.volumes):
        return []
    from sampan.engine import volume_use

    return volume_use.wanted(engine, operation, container)


def _describe(engine: Engine, spec: ContainerSpec, image: Image) -> Container:
    merged = _merge(engine, spec, engine.store.configuration(image))
    line = process.arguments(merged)
    _check(spec, merged)
    settled = _confine(engine, spec)
    runtime, log_driver = _drivers(engine, spec)
    merged, network_driver = networking.settle(engine, merged)
    merged = links.settle(engine, merged)
    return Container(
        id=names.container_id(),
        name=names.check_name(spec.name) if spec.name else names.generate(engine.store.containers.taken),
        image_id=image.id,
        spec=msgspec.structs.replace(merged, security_options=settled),
        path=line[0],
        args=line[1:],
        created=time.time(),
        status=Status.CREATING,
        storage_driver=spec.storage_driver or engine.storage_name(),
        runtime=runtime,
        log_driver=log_driver,
        network_driver=network_driver,
    )


def _merge(engine: Engine, spec: ContainerSpec, config: ImageConfig) -> ContainerSpec:
    """Return what the user asks for, completed by what the image says and by the containers it shares with."""
    if spec.platform:
        from sampan.engine import platforms

        platforms.check(config, platforms.wanted(spec.platform), asked=True, name=spec.image)
    ports.refuse_shared(spec)
    bundle_mounts.check(spec.volumes)
    merged = process.merge(spec, config.defaults)
    if spec.volumes or spec.volumes_from or config.defaults.volumes:
        from sampan.engine import volume_use

        merged = volume_use.settle(engine, merged, config.defaults)
    return sharing.settle(engine, merged)


def _check(spec: ContainerSpec, merged: ContainerSpec) -> None:
    """Raise InvalidInput, or Unsupported, for what could not be started or stopped."""
    if bundle_mounts.init(spec):
        bundle_mounts.find_init()
    if spec.stop_signal:
        from sampan.engine import stop

        stop.parse_signal(spec.stop_signal)
    policy.check(spec.restart)
    if merged.health:
        from sampan.engine import health

        health.check(merged.health)


def _confine(engine: Engine, spec: ContainerSpec) -> tuple[str, ...]:
    """Return the security options with their files read in. Raises for what cannot be had of rights and devices."""
    settled = security.settle(spec.security_options)
    if spec.cap_add or spec.cap_drop:
        confinement.capability_set(spec.cap_add, spec.cap_drop, privileged=False)
    for device in spec.devices:
        confinement.parse_device(device)
    if spec.storage_options:
        raise Unsupported(
            f"--storage-opt is not supported by the storage driver {spec.storage_driver or engine.storage_name()}"
        )
    return settled


def _drivers(engine: Engine, spec: ContainerSpec) -> tuple[str, str]:
    """Return the names of the runtime and of the log driver. Raises where there are none such."""
    runtime, log_driver = spec.runtime or engine.settings.runtime, spec.log_driver or engine.settings.log_driver
    for slot, name in (("runtimes", runtime), ("logs", log_driver)):
        engine.plugins.load(slot, name)  # a start that cannot have it could not be undone by it either
    if spec.log_options:
        from sampan.engine import log_attributes

        engine.plugins.open_logs(log_driver).check(log_attributes.driver_options(spec.log_options))
    return runtime, log_driver


def _unpacked(engine: Engine, image: Image, storage: str) -> str | None:
    held = engine.store.layers.held(storage, image.id)
    if all(present for _, present in held):
        return held[-1][0] if held else None
    from sampan.engine import unpack

    return unpack.ensure_unpacked(engine, image, storage)
