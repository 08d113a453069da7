"""Create a container from the flags of ``run`` and ``create``: pull its image if need be, write its cidfile."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.errors import InvalidInput, NotFound
from sampan_plugins.commands._flags import unicode
from sampan_plugins.commands._spec import spec, warnings

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.model.container import Container, ContainerSpec

_PULLS = ("always", "missing", "never")


def create(
    context: Context, image: str, command: tuple[str, ...], flags: dict[str, Any], streams: Sequence[str] = ()
) -> Container:
    """Create the container. Someone will be at these ``streams``, and standard input ends when they leave."""
    policy = flags["pull"] or "missing"
    if policy not in _PULLS:
        raise InvalidInput(f"invalid pull option: '{policy}': must be one of \"always\", \"missing\" or \"never\"")
    asked = spec(image, unicode(command), {name: unicode(value) for name, value in flags.items()})
    stays = asked.open_stdin and "stdin" in streams
    asked = msgspec.structs.replace(asked, attached=tuple(streams), stdin_once=stays)
    with _cidfile(flags["cidfile"]) as note:
        if policy == "always":
            _pull(context, asked, quiet=flags["quiet"])
        container = _create(context, asked, missing=policy == "missing", quiet=flags["quiet"])
        found = [*warnings(flags), *context.engine.warnings(container)]
        sys.stderr.write("".join(f"WARNING: {warning}\n" for warning in found))
        note.append(container.id)
    return container


def attached(flags: dict[str, Any]) -> Sequence[str]:
    """Return which streams to be at, unless in the background: those that ``--attach`` names, or all."""
    return flags["attach"] or ("stdin", "stdout", "stderr")[not flags["interactive"] :]


def _create(context: Context, asked: ContainerSpec, *, missing: bool, quiet: bool) -> Container:
    if missing:
        try:
            context.engine.image(asked.image)
        except NotFound as error:
            sys.stderr.write(f"Unable to find image '{_shown(asked.image)}' locally\n" if not quiet else "")
            try:
                _pull(context, asked, quiet=quiet)
            except NotFound as reason:
                raise reason from error
    return context.engine.create(asked)


def _pull(context: Context, asked: ContainerSpec, *, quiet: bool) -> None:
    from sampan_plugins.commands._pulling import pull

    pull(context, asked.image, platform=asked.platform, out=sys.stderr, quiet=quiet)


def _shown(image: str) -> str:
    from sampan.model import reference

    return reference.parse(image).with_default_tag().familiar


@contextmanager
def _cidfile(path: str | None) -> Iterator[list[str]]:
    """Take the file before the container is made; it is gone again when none was."""
    note: list[str] = []
    if not path:
        yield note
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError as error:
        raise InvalidInput(
            f"container ID file found, make sure the other container isn't running or delete {path}"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidInput(f"failed to create the container ID file: open {path}: {reason}") from error
    try:
        yield note
        os.write(descriptor, "".join(note).encode())
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
