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

_Test = Callable[["Context", Container, str], bool]


def matching(
    context: Context, containers: Iterable[Container], filters: Iterable[tuple[str, str]]
) -> Iterator[Container]:
    """Yield the containers that fit. Raises InvalidInput for a name or value there is not."""
    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        if name not in _TESTS:
            raise InvalidInput(f"Invalid filter '{name}'")
        if name == "status" and value not in {status.value for status in Status}:
            raise InvalidInput(f"Invalid filter 'status={value}'")
        if name == "exited" and not re.fullmatch(r"[+-]?\d+", value):
            raise InvalidInput(f'strconv.Atoi: parsing "{value}": invalid syntax')
        wanted.setdefault(name, []).append(value)
    for container in containers:
        if all(_fits(context, container, name, values) for name, values in wanted.items()):
            yield container


def _fits(context: Context, container: Container, name: str, values: list[str]) -> bool:
    answers = (_TESTS[name](context, container, value) for value in values)
    return all(answers) if name == "label" else any(answers)


def _name(context: Context, container: Container, value: str) -> bool:
    try:
        return bool(re.search(value, container.name) or re.search(value, f"/{container.name}"))
    except re.error:
        return False


def _ancestor(context: Context, container: Container, value: str) -> bool:
    if value == container.spec.image:
        return True
    try:
        image = context.engine.image(value)
    except NotFound:
        return False
    return image.id == container.image_id or _chain(context, container.image_id)[: len(_chain(context, image.id))] == (
        _chain(context, image.id)
    )


def _chain(context: Context, image: str) -> list[str]:
    layers: list[str] = context.engine.inspect_image(image)["RootFS"]["Layers"]
    return layers


def _volume(context: Context, container: Container, value: str) -> bool:
    return any(value in (volume.source, volume.target) for volume in container.spec.volumes)


_TESTS: dict[str, _Test] = {
    "id": lambda context, container, value: container.id.startswith(value),
    "name": _name,
    "status": lambda context, container, value: container.status == value,
    "label": lambda context, container, value: label.fits(container.spec.labels, value),
    "ancestor": _ancestor,
    "exited": lambda context, container, value: (
        container.status is Status.EXITED and container.exit_code == int(value)
    ),
    "network": lambda context, container, value: container.spec.network == value,
    "health": lambda context, container, value: (container.health or "none") == value,
    "volume": _volume,
    "before": lambda context, container, value: container.created < context.engine.container(value).created,
    "since": lambda context, container, value: container.created > context.engine.container(value).created,
}
