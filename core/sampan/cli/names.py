"""Complete what names containers, images, networks, volumes or plugins, for the shells that ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.types import StringParamType

from sampan.cli.context import Context
from sampan.errors import SampanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from click.shell_completion import CompletionItem

    from sampan.engine import Engine

_KINDS = {
    "CONTAINER": ("containers",), "[CONTAINER...]": ("containers",), "IMAGE": ("images",), "SOURCE_IMAGE": ("images",),
    "[REPOSITORY": ("images",), "NAME[:TAG]": ("images",), "NAME[:TAG|@DIGEST]": ("images",),
    "NETWORK": ("networks",), "VOLUME": ("volumes",), "NAME|ID": ("containers", "images", "networks", "volumes"),
    "SLOT/NAME": ("plugins",),
}  # fmt: skip
_FLAGS = {
    "network": ("networks",), "net": ("networks",), "volumes_from": ("containers",), "runtime": ("runtimes",),
    "storage_driver": ("storage",), "log_driver": ("logs",), "format_driver": ("formats",),
    "volume_driver": ("volume drivers",),
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
            found = [name for kind in self.kinds for name in _names(context, kind)]
        except (SampanError, OSError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def complete_names(command: click.Command) -> None:
    """Have a command's arguments completed by what their metavars say they name, and flags by their own names."""
    for param in command.params:
        if param.type.name not in ("text", "string"):
            continue  # it has a meaning of its own
        if isinstance(param, click.Argument):
            word = (param.metavar or "").partition(" ")[0]
            kinds = _KINDS.get(word) or _KINDS.get(word.partition("[:")[0])
        else:
            kinds = _FLAGS.get(param.name or "")
        if kinds:
            param.type = Names(*kinds)


def _names(context: Context, kind: str) -> Iterable[str]:
    if kind in _LISTS:
        return _LISTS[kind](context.engine)
    if kind == "plugins":
        return (f"{claim.slot}/{claim.name}" for claim in context.plugins.claims)
    return context.plugins.names("volumes" if kind == "volume drivers" else kind)


def _containers(engine: Engine) -> Iterator[str]:
    return (container.name for container in engine.containers(all=True))


def _images(engine: Engine) -> Iterator[str]:
    from sampan.model import reference as references

    return (references.parse(tag).familiar for image in engine.images() for tag in image.tags)


def _networks(engine: Engine) -> Iterator[str]:
    return (network.name for network in engine.list_networks())


def _volumes(engine: Engine) -> Iterator[str]:
    return (volume.name for volume in engine.list_volumes())


_LISTS = {"containers": _containers, "images": _images, "networks": _networks, "volumes": _volumes}
