"""Read what containers printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampan.contracts.log import Entry
from sampan.engine import log_attributes
from sampan.errors import NotFound
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def logs(
    engine: Engine, text: str, *, follow: bool, since: float, until: float, tail: int
) -> Iterator[Entry]:
    """Yield a container's log entries; see Engine.logs."""
    container = engine.container(text)

    def going_on() -> bool:
        try:
            now = engine.store.containers.get(container.id)
        except NotFound:
            return False
        return now.alive and owner.alive(now.monitor)

    driver = engine.plugins.open_logs(container.log_driver)
    return driver.read(
        engine.layout.container(container.id), log_attributes.driver_options(container.spec.log_options),
        since=since, until=until, tail=tail, follow=going_on if follow else None,
    )
