"""Find what a container's log keeps with every line: the labels, variables and tag that log options name.

These options are Docker's and the same for every driver that keeps lines, so drivers are told the outcome alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.model.container import Container

_OWN = ("labels", "labels-regex", "env", "env-regex", "tag")
_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")


def driver_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options that are the driver's."""
    return {name: value for name, value in options.items() if name not in _OWN}


def attributes(container: Container) -> dict[str, str]:
    """Return what to keep with every line. Raises InvalidInput for a pattern or a tag that makes no sense."""
    options = container.spec.log_options
    if not any(name in options for name in _OWN):
        return {}
    variables = {key: value for key, equals, value in (entry.partition("=") for entry in container.spec.env) if equals}
    found = _named(container.spec.labels, options, "labels") | _named(variables, options, "env")
    if options.get("tag"):
        found["tag"] = _tag(container, options["tag"])
    return found


def _named(values: Mapping[str, str], options: Mapping[str, str], option: str) -> dict[str, str]:
    names = options.get(option, "").split(",")
    pattern = options.get(f"{option}-regex", "")
    try:
        fits = re.compile(pattern).search if pattern else lambda key: None
    except re.error as error:
        raise InvalidInput(f"invalid log opt {option}-regex {pattern!r}: {error}") from error
    return {key: value for key, value in values.items() if key in names or fits(key)}


def _tag(container: Container, template: str) -> str:
    image = container.image_id.partition(":")[2]
    fields = {
        "ID": container.short_id, "FullID": container.id, "Name": container.name, "ImageID": image[:12],
        "ImageFullID": container.image_id, "ImageName": container.spec.image, "DaemonName": "sampan",
    }  # fmt: skip

    def filled(match: re.Match[str]) -> str:
        if match[1] not in fields:
            hint = f"it takes {', '.join(fields)}"
            raise InvalidInput(f"invalid log opt tag {template!r}: there is no {match[1]}", hint)
        return fields[match[1]]

    return _FIELD.sub(filled, template)
