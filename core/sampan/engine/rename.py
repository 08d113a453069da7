"""Give a container another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine import events, names
from sampan.errors import AlreadyExists, InvalidInput

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def rename(engine: Engine, text: str, name: str) -> None:
    """Rename a container; see Engine.rename."""
    if not text or not name:
        raise InvalidInput("Neither old nor new names may be empty")
    container = engine.container(text)
    if name.removeprefix("/") == container.name:
        raise InvalidInput("Renaming a container with the same name as its current name")
    try:
        checked = names.check_name(f"/{name.removeprefix('/')}")
        renamed = engine.store.containers.rename(container.id, checked)
    except (InvalidInput, AlreadyExists) as error:
        raise type(error)(f"Error when allocating new name: {error.message}") from error
    events.container(engine, renamed, "rename", oldName=f"/{container.name}")
