"""Show what is known of containers and images, as JSON or by a template."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.errors import InvalidInput, NotFound, SampanError
from sampan_plugins.commands._each import complain

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.context import Context


def show(context: Context, names: tuple[str, ...], form: str, kind: str) -> int:
    """Print those that are found, then complain about those that are not; return the exit code.

    ``kind`` is ``container``, ``image`` or empty for either, containers first.
    """
    found, failures = [], []
    for name in names:
        try:
            found.append(_look_up(context, name, kind))
        except SampanError as error:
            failures.append(error)
    if form:
        _print_formatted(found, form)
    else:
        sys.stdout.write(_document(found) + "\n")
    for failure in failures:
        complain(failure)
    return int(bool(failures))


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
