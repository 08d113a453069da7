"""Return low-level information on containers and images."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, NotFound, SampanError

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPES = ("container", "image")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``inspect``, ``container inspect`` and ``image inspect``."""
    return _only(name.partition(".")[0]) if "." in name else inspect


@command("inspect")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@click.option("--size", "-s", is_flag=True, help="Accepted for compatibility: sizes are not shown yet")
@click.option("--type", "kind", metavar="string", default="", help='Only objects of this type ("container", "image")')
@click.argument("names", metavar="NAME|ID [NAME|ID...]", nargs=-1, required=True)
@pass_context
def inspect(context: Context, form: str, size: bool, kind: str, names: tuple[str, ...]) -> int:
    """Return low-level information on containers and images."""
    if kind and kind not in _TYPES:
        raise InvalidInput(f'unknown type: "{kind}": must be one of "container", "image"')
    return _inspect(context, names, form, kind)


def _only(kind: str) -> click.Command:
    """Return the command that knows one type."""

    @command("inspect")
    @click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
    @click.option("--size", "-s", is_flag=True, help="Accepted for compatibility: sizes are not shown yet")
    @click.argument("names", metavar=f"{kind.upper()} [{kind.upper()}...]", nargs=-1, required=True)
    @pass_context
    def inspect_only(context: Context, form: str, size: bool, names: tuple[str, ...]) -> int:
        return _inspect(context, names, form, kind)

    inspect_only.help = f"Display detailed information on one or more {kind}s"
    return inspect_only


def _inspect(context: Context, names: tuple[str, ...], form: str, kind: str) -> int:
    """Print those that are found, then complain about those that are not."""
    from sampan_plugins.commands._each import complain

    found, errors = [], []
    for name in names:
        try:
            found.append(_look_up(context, name, kind))
        except SampanError as error:
            errors.append(error)
    if form:
        _print_formatted(found, form)
    else:
        sys.stdout.write(_document(found) + "\n")
    for error in errors:
        complain(error)
    return int(bool(errors))


def _look_up(context: Context, name: str, kind: str) -> dict[str, Any]:
    places: dict[str, Callable[[str], dict[str, Any]]] = {
        "container": context.engine.inspect_container, "image": context.engine.inspect_image,
    }  # fmt: skip
    if kind:
        return places[kind](name)
    for look_up in places.values():
        try:
            return look_up(name)
        except (NotFound, InvalidInput) as error:
            if "ambiguous" in error.message:
                raise
    raise NotFound(f"No such object: {name}")


def _document(found: list[dict[str, Any]]) -> str:
    if not found:
        return "[]"
    text = msgspec.json.format(msgspec.json.encode(found), indent=4).decode()
    # As Go writes JSON, which may end up in a page.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _print_formatted(found: list[dict[str, Any]], form: str) -> None:
    from sampan.cli.gotemplate import Template

    template = Template("{{json .}}" if form == "json" else form)
    for one in found:
        sys.stdout.write(template.render(one, strict=True) + "\n")
