"""Read what users set, of a plugin or of a network, with the nearest key named for one that is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from sampan.errors import InvalidInput

_T = TypeVar("_T", bound=msgspec.Struct)
_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


def parsed(key: str, value: str, parser: str) -> str | bool | int:
    """Return what a value means to ``parser``, by its name in Docker's words: ``ParseBool``, ``Atoi`` or none.

    Raises InvalidInput in these words.
    """
    if parser == "ParseBool" and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    if parser == "Atoi" and value.isascii() and value.removeprefix("-").isdecimal():
        return int(value)
    if parser:
        raise InvalidInput(
            f'failed to parse {key} value: {value} (strconv.{parser}: parsing "{value}": invalid syntax)'
        )
    return value


def read(table: Mapping[str, Any], kind: type[_T], what: str) -> _T:
    """Read a table as a struct. ``what`` is what messages call its keys. Raises InvalidInput."""
    known = [field.name for field in msgspec.structs.fields(kind)]
    for key in table:
        if key not in known:
            raise InvalidInput(f"unknown {what} {key!r}", _nearest(key, known))
    try:
        return msgspec.convert(table, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"invalid {what}: {str(error)[:1].lower()}{str(error)[1:]}") from error


def _nearest(key: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "it takes " + ", ".join(sorted(known))
