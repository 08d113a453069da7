"""Show what is known of containers and images, as JSON or by a template."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.cli.context import warn
from sampan.errors import InvalidInput, NotFound, SampanError
from sampan_plugins.commands._each import complain

if TYPE_CHECKING:
    from sampan.cli.context import Context

_LookUp = Callable[[str], dict[str, Any]]

# What Docker's documents leave out where it is empty, and its templates have nevertheless.
_OMITTED: dict[str, Any] = {
    "Annotations": {}, "ExposedPorts": {}, "Health": None, "Healthcheck": None, "Init": None, "MacAddress": "",
    "Mounts": [], "Shell": [], "SizeRootFs": None, "SizeRw": None, "StopSignal": "", "Status": {}, "StopTimeout": None,
    "StorageOpt": {}, "Sysctls": {}, "Tmpfs": {}, "Variant": "",
}  # fmt: skip


def show(
    context: Context, names: tuple[str, ...], form: str, kind: str, *, size: bool = False, platform: str = ""
) -> int:
    """Print those that are found, then complain about those that are not; return the exit code.

    ``kind`` is ``container``, ``image``, ``network``, ``volume`` or empty for any, in this order; ``size`` is for
    containers, the ``platform`` to be of for images.
    """
    found, failures = [], []
    places = _places(context, kind, size=size, platform=platform)
    for name in names:
        try:
            found.append(_look_up(name, places))
        except SampanError as error:
            failures.append(error)
    if form:
        _print_formatted(found, form)
    else:
        sys.stdout.write(_document(found) + "\n")
    for failure in failures:
        complain(failure)
    return int(bool(failures))


def _places(context: Context, kind: str, *, size: bool, platform: str) -> list[_LookUp]:
    def container(name: str) -> dict[str, Any]:
        return context.engine.inspect_container(name, size=size)

    def image(name: str) -> dict[str, Any]:
        document = context.engine.inspect_image(name, platform=platform)
        if size:
            warn("--size ignored for image")
        return document

    volume, network = context.engine.inspect_volume, context.engine.inspect_network
    places = {"container": container, "image": image, "network": network, "volume": volume}
    return [places[kind]] if kind else list(places.values())


def _look_up(name: str, places: list[_LookUp]) -> dict[str, Any]:
    if len(places) == 1:
        return places[0](name)
    for look_up in places:
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
    from sampan.cli.gotemplate import WRONG, Template
    from sampan_plugins.commands._go_types import typed

    template = Template("{{json .}}" if form == "json" else form, exit_code=WRONG)
    for one in map(typed, found):
        sys.stdout.write(template.render(one, strict=True, omitted=_OMITTED) + "\n")
