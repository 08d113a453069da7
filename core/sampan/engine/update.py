"""Change limits and restart policy of containers, running or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sampan.contracts.runtime import Updates
from sampan.engine import events, policy
from sampan.engine.limits import resources
from sampan.errors import Conflict, SampanError, Unsupported
from sampan.model.container import RUNNING, Container, Limits, RestartPolicy

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def update(engine: Engine, text: str, limits: Limits, restart: RestartPolicy | None) -> None:
    """Change a container; see Engine.update."""
    if restart:
        policy.check(restart)
    container = engine.container(text)
    try:
        changed = _changed(container, limits, restart)
        # Real-time processor time is for the next run to have, as with Docker: the kernel refuses most changes of it.
        at_once = msgspec.structs.replace(limits, cpu_rt_period=0, cpu_rt_runtime=0)
        if container.status in RUNNING and at_once != Limits():
            _runtime(engine, container).update(container.id, resources(at_once))
    except SampanError as error:
        raise type(error)(f"Cannot update container {container.id}: {error.message}", error.hint) from error
    engine.store.containers.update(container.id, spec=changed)
    events.container(engine, container, "update")


def _changed(container: Container, limits: Limits, restart: RestartPolicy | None) -> msgspec.Struct:
    spec = container.spec
    if restart and spec.auto_remove and restart.name != "no":
        raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
    # Docker takes twice the memory for the limit of both where only memory is limited, and nothing for less than that.
    if limits.memory and not limits.memory_swap and limits.memory > (spec.limits.memory_swap or 2 * spec.limits.memory):
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
    _check_processors(spec.limits, limits)
    given = {name: value for name in Limits.__struct_fields__ if (value := getattr(limits, name))}
    if limits.pids < 0:
        given["pids"] = 0
    return msgspec.structs.replace(
        spec, limits=msgspec.structs.replace(spec.limits, **given), restart=restart or spec.restart
    )


def _check_processors(before: Limits, limits: Limits) -> None:
    """Refuse a number of CPUs on top of periods and quotas, and the other way round, with Conflict."""
    for field, what in (("cpu_period", "CPU Period"), ("cpu_quota", "CPU Quota")):
        if limits.nano_cpus and getattr(before, field):
            raise Conflict(f"Conflicting options: Nano CPUs cannot be updated as {what} has already been set")
        if getattr(limits, field) and before.nano_cpus:
            raise Conflict(f"Conflicting options: {what} cannot be updated as NanoCPUs has already been set")


def _runtime(engine: Engine, container: Container) -> Updates:
    runtime = engine.runtime(container.runtime)
    if not isinstance(runtime, Updates):
        raise Unsupported(f"the runtime {container.runtime} cannot change limits", "stop the container first")
    return runtime
