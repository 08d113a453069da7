"""Complete operands that name containers, images or networks, for the shells that ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.types import StringParamType

from sampan.cli.context import Context
from sampan.errors import SampanError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

    from sampan.engine import Engine

_KINDS = {
    "CONTAINER": ("containers",), "IMAGE": ("images",), "SOURCE_IMAGE": ("images",), "[REPOSITORY": ("images",),
    "NETWORK": ("networks",), "NAME|ID": ("containers", "images", "networks"),
}  # fmt: skip


class Names(StringParamType):
    """A string that names one of some kinds of objects."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so, or none where the engine cannot tell."""
        from click.shell_completion import CompletionItem

        context = ctx.find_object(Context)
        if context is None:
            return []
        try:
            found = [name for kind in self.kinds for name in _LISTS[kind](context.engine)]
        except (SampanError, OSError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def complete_operands(command: click.Command) -> None:
    """Have a command's arguments completed by what their metavars say they name."""
    for param in command.params:
        if isinstance(param, click.Argument) and type(param.type) is StringParamType:
            kind = (param.metavar or "").partition(" ")[0].partition("[:")[0]
            if kind in _KINDS:
                param.type = Names(*_KINDS[kind])


def _containers(engine: Engine) -> Iterator[str]:
    return (container.name for container in engine.containers(all=True))


def _images(engine: Engine) -> Iterator[str]:
    from sampan.model import reference as references

    return (references.parse(tag).familiar for image in engine.images() for tag in image.tags)


def _networks(engine: Engine) -> Iterator[str]:
    return (network.name for network in engine.list_networks())


_LISTS = {"containers": _containers, "images": _images, "networks": _networks}
