"""Choose containers by ``--filter``: any value of one name, and every name, must fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sampan.errors import InvalidInput, NotFound
from sampan.model import label
from sampan.model.container import Container, Status

if TYPE_CHECKING:
    from sampan.cli.context import Context

_Test = Callable[[Container], bool]


def matching(
    context: Context, containers: Iterable[Container], filters: Iterable[tuple[str, str]]
) -> Iterator[Container]:
    """Yield the containers that fit. Raises InvalidInput for a name or value there is not."""
    wanted: dict[str, list[_Test]] = {}
    for name, value in filters:
        if name not in _TESTS:
            raise InvalidInput(f"Invalid filter '{name}'")
        wanted.setdefault(name, []).append(_TESTS[name](context, value))
    for container in containers:
        if all(_fits(container, name, tests) for name, tests in wanted.items()):
            yield container


def _fits(container: Container, name: str, tests: list[_Test]) -> bool:
    answers = (test(container) for test in tests)
    return all(answers) if name == "label" else any(answers)


def _name(context: Context, value: str) -> _Test:
    try:
        pattern = re.compile(value)
    except re.error:
        return lambda container: False
    return lambda container: bool(pattern.search(container.name) or pattern.search(f"/{container.name}"))


def _status(context: Context, value: str) -> _Test:
    if value not in {status.value for status in Status}:
        raise InvalidInput(f"Invalid filter 'status={value}'")
    return lambda container: container.status == value


def _exited(context: Context, value: str) -> _Test:
    if not re.fullmatch(r"[+-]?\d+", value):
        raise InvalidInput(f'strconv.Atoi: parsing "{value}": invalid syntax')
    return lambda container: container.status is Status.EXITED and container.exit_code == int(value)


def _health(context: Context, value: str) -> _Test:
    if value not in ("none", "starting", "healthy", "unhealthy"):
        raise InvalidInput(f"Unrecognised filter value for health: {value}")
    return lambda container: (container.health or "none") == value


def _is_task(context: Context, value: str) -> _Test:
    """Take the filter for what only a swarm has."""
    if value.lower() not in ("true", "false", "1", "0"):
        raise InvalidInput(f"Invalid filter 'is-task=[{value}]'")
    return lambda container: value.lower() in ("false", "0")


def _ancestor(context: Context, value: str) -> _Test:
    try:
        image = context.engine.image(value)
    except NotFound:
        return lambda container: value == container.spec.image
    layers = _layers(context, image.id)
    found: dict[str, bool] = {}

    def descends(container: Container) -> bool:
        identity = container.image_id
        if identity not in found:
            found[identity] = identity == image.id or _layers(context, identity)[: len(layers)] == layers
        return value == container.spec.image or found[identity]

    return descends


def _layers(context: Context, image: str) -> list[str]:
    layers: list[str] = context.engine.inspect_image(image)["RootFS"]["Layers"]
    return layers


def _volume(context: Context, value: str) -> _Test:
    return lambda container: any(value in (volume.source, volume.target) for volume in container.spec.volumes)


def _created(context: Context, value: str) -> float:
    try:
        return context.engine.container(value).created
    except NotFound as error:
        raise NotFound(f"no such container {value}") from error


def _before(context: Context, value: str) -> _Test:
    moment = _created(context, value)
    return lambda container: container.created < moment


def _since(context: Context, value: str) -> _Test:
    moment = _created(context, value)
    return lambda container: container.created > moment


def _publish(context: Context, value: str) -> _Test:
    """Take the filter for the ports of the host, as Docker's engine does."""
    wanted = _ports("publish", value)
    return lambda container: any(
        f"{one.first}/{one.protocol}" in wanted for one in context.engine.ports(container) if one.address
    )


def _expose(context: Context, value: str) -> _Test:
    wanted = _ports("expose", value)
    return lambda container: not wanted.isdisjoint(container.spec.exposed_ports)


def _network(context: Context, value: str) -> _Test:
    return lambda container: value in (
        *(one.network for one in container.spec.connections), *(one.network for one in container.endpoints)
    )


def _ports(name: str, value: str) -> set[str]:
    """Return the ports that ``80``, ``80/udp`` or ``8000-8080`` means, with their protocol."""
    numbers, _, protocol = value.partition("/")
    first, _, last = numbers.partition("-")
    for number in (first, last or first):
        if not number.isdecimal():
            raise InvalidInput(
                f'error while looking up for {name} {value}: strconv.ParseUint: parsing "{number}": invalid syntax'
            )
    return {f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1)}


_TESTS: dict[str, Callable[[Context, str], _Test]] = {
    "id": lambda context, value: lambda container: container.id.startswith(value),
    "name": _name,
    "status": _status,
    "label": lambda context, value: lambda container: label.fits(container.spec.labels, value),
    "ancestor": _ancestor,
    "exited": _exited,
    "expose": _expose,
    "health": _health,
    "is-task": _is_task,
    "isolation": lambda context, value: lambda container: value == "default",
    "network": _network,
    "publish": _publish,
    "volume": _volume,
    "before": _before,
    "since": _since,
}
"""For each name what makes a test of a value."""
