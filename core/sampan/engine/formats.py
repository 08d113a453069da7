"""Open snapshot formats: the one asked for, checked to be of the right kind, or every one there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampan.contracts.format import Format, ImageFormat, RootfsFormat
from sampan.errors import InvalidInput, NotFound, PluginFault, Unsupported

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def rootfs(engine: Engine, name: str) -> RootfsFormat:
    """Open a format of root file systems. Raises InvalidInput when it is not one, and what opening a plugin raises."""
    found = engine.plugins.open_format(name)
    if not isinstance(found, RootfsFormat):
        raise _of_the_other_kind(name, "a root file system")
    return found


def images(engine: Engine, name: str) -> ImageFormat:
    """Open a format of images. Raises InvalidInput when it is not one, and what opening a plugin raises."""
    found = engine.plugins.open_format(name)
    if not isinstance(found, ImageFormat):
        raise _of_the_other_kind(name, "images")
    return found


def every(engine: Engine, preferred: str) -> Iterator[Format]:
    """Open every format, the preferred one first. Another that cannot be opened is passed over."""
    yield engine.plugins.open_format(preferred)
    for name in engine.plugins.names("formats"):
        if name != preferred:
            try:
                yield engine.plugins.open_format(name)
            except (PluginFault, Unsupported, NotFound):
                continue


def _of_the_other_kind(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"the snapshot format {name} does not hold {what}", "sampan plugin ls shows the others")
