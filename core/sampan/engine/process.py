"""Decide what a container runs, from what the user asks and what its image says, by Docker's rules."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sampan.errors import CommandNotFound, InvalidInput
from sampan.model.container import ContainerSpec
from sampan.model.image import Defaults, HealthCheck

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge(spec: ContainerSpec, defaults: Defaults) -> ContainerSpec:
    """Return the spec with all that the image decides filled in."""
    command = spec.command
    if not command and spec.entrypoint is None:
        command = defaults.cmd or ()
    entrypoint = spec.entrypoint if spec.entrypoint is not None else defaults.entrypoint
    return msgspec.structs.replace(
        spec,
        command=tuple(command),
        entrypoint=tuple(entrypoint) if entrypoint else None,
        env=(*spec.env, *_lacking(spec.env, defaults.env or ())),
        exposed_ports=_exposed(spec, defaults),
        user=spec.user or defaults.user or "",
        workdir=spec.workdir or defaults.working_dir or "",
        labels={**(defaults.labels or {}), **spec.labels},
        stop_signal=spec.stop_signal or defaults.stop_signal or "",
        shell=defaults.shell or (),
        health=_health(spec.health, defaults.healthcheck),
    )


def _exposed(spec: ContainerSpec, defaults: Defaults) -> tuple[str, ...]:
    """Return the ports that anybody speaks of: those that are published are exposed too."""
    published = (mapping.name for mapping in spec.ports)
    return tuple(dict.fromkeys((*spec.exposed_ports, *published, *(defaults.exposed_ports or {}))))


def _health(asked: HealthCheck | None, default: HealthCheck | None) -> HealthCheck | None:
    """Return the health check asked for, with what it leaves open as the image has it."""
    if asked is None or default is None:
        return asked or default
    fields = {name: getattr(asked, name) or getattr(default, name) for name in HealthCheck.__struct_fields__}
    return HealthCheck(**fields)


def arguments(spec: ContainerSpec) -> tuple[str, ...]:
    """Return the command line of a merged spec. Raises InvalidInput when there is none."""
    line = (*(spec.entrypoint or ()), *spec.command)
    if not line:
        raise InvalidInput("No command specified", "name one after the image")
    if not line[0]:
        raise CommandNotFound('exec: "": executable file not found in $PATH')
    return line


def environment(spec: ContainerSpec, hostname: str, more: Iterable[str] = ()) -> list[str]:
    """Return the first process's environment: the engine's, then what there is ``more``, image's and user's on top."""
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if spec.terminal:
        base.append("TERM=xterm")
    return override([*base, *more], spec.env)


def override(base: Iterable[str], changes: Iterable[str]) -> list[str]:
    """Return ``base`` with ``KEY=value`` entries replaced or added; a bare ``KEY`` removes one."""
    merged = {entry.partition("=")[0]: entry for entry in base}
    for entry in changes:
        key, equals, _ = entry.partition("=")
        if equals:
            merged[key] = entry
        else:
            merged.pop(key, None)
    return list(merged.values())


def _lacking(env: Iterable[str], defaults: Iterable[str]) -> list[str]:
    keys = {entry.partition("=")[0] for entry in env}
    return [entry for entry in defaults if entry.partition("=")[0] not in keys]
