"""The functions templates may call: Go's own, and Docker's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sampan.cli.gotemplate.failure import TemplateError
from sampan.cli.gotemplate.printing import sprint, sprintf, text, to_json
from sampan.cli.gotemplate.values import Record, truth, type_name


class Function:
    """A function and what it takes: ``s`` string, ``i`` integer, ``l`` list, ``a`` anything; ``*`` more of anything."""

    __slots__ = ("call", "takes")

    def __init__(self, call: Callable[..., Any], takes: str) -> None:
        self.call = call
        self.takes = takes

    def check_count(self, name: str, count: int) -> None:
        """Raise TemplateError unless it takes so many arguments."""
        least = len(self.takes.rstrip("*"))
        if count < least or (count > least and not self.takes.endswith("*")):
            want = f"at least {least}" if self.takes.endswith("*") else str(least)
            raise TemplateError(f"wrong number of args for {name}: want {want} got {count}")

    def check(self, position: int, value: Any) -> None:
        """Raise TemplateError unless the argument at a position may be this value."""
        kind = self.takes[position : position + 1]
        wanted: tuple[type, ...] = {"s": (str,), "i": (int,), "l": (list, tuple, type(None))}.get(kind, (object,))
        if not isinstance(value, wanted):
            named = {"s": "string", "i": "integer", "l": "[]string"}[kind]
            raise TemplateError(f"expected {named}; found {text(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = _index_once(value, key)
    return value


def _index_once(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping) or (value is None and isinstance(key, str)):
        if not isinstance(key, str):
            raise TemplateError(f"value has type {type_name(key)}; should be string")
        if value and key in value:
            return value[key]
        # A map of strings gives its zero value, the empty string; any other gives nil.
        return "" if all(isinstance(one, str) for one in (value or {}).values()) else None
    if not isinstance(value, (str, list, tuple, type(None))):
        raise TemplateError(f"can't index item of type {type_name(value)}")
    if not isinstance(key, int) or isinstance(key, bool):
        raise TemplateError(f"cannot index slice/array with type {type_name(key)}")
    items = value.encode(errors="surrogateescape") if isinstance(value, str) else value or ()
    if not 0 <= key < len(items):
        raise TemplateError(f"index out of range: {key}")
    return items[key]


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (str, list, tuple)):
        raise TemplateError(f"can't slice item of type {type_name(value)}")
    if len(bounds) > (2 if isinstance(value, str) else 3):
        raise TemplateError(f"too many slice indexes: {len(bounds)}")
    items = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    for bound in bounds:
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise TemplateError(f"cannot index slice/array with type {type_name(bound)}")
        if not 0 <= bound <= len(items):
            raise TemplateError(f"index out of range: {bound}")
    start, end = (*bounds, *(0, len(items))[len(bounds) :])[:2] if len(bounds) < 2 else bounds[:2]
    if start > end:
        raise TemplateError(f"invalid slice index: {start} > {end}")
    part = items[start:end]
    return part.decode(errors="surrogateescape") if isinstance(part, bytes) else part


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode(errors="surrogateescape"))
    if value is None or (isinstance(value, (list, tuple, Mapping)) and not isinstance(value, Record)):
        return len(value or ())
    raise TemplateError(f"len of type {type_name(value)}")


def _kind(value: Any) -> str:
    return "nil" if value is None else type(value).__name__


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    for value in (first, *others):
        if isinstance(value, (list, tuple, Mapping)):
            raise TemplateError(f"non-comparable type {text(value)}: {type_name(value)}")
    for other in others:
        if None not in (first, other) and _kind(first) != _kind(other):
            raise TemplateError("incompatible types for comparison")
        if first == other and _kind(first) == _kind(other):
            return True
    return False


def _lt(first: Any, second: Any) -> bool:
    if _kind(first) != _kind(second) or not isinstance(first, (str, int, float)):
        raise TemplateError("incompatible types for comparison")
    if isinstance(first, bool):
        raise TemplateError("invalid type for comparison")
    return bool(first < second)


def _call(function: Any, *_: Any) -> Any:
    raise TemplateError(f"non-function of type {type_name(function)}")


_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


def _html(*values: Any) -> str:
    return re.sub("[<>&\"'\0]", lambda match: _HTML[match[0]], sprint(list(values)))


def _js(*values: Any) -> str:
    return "".join(
        _JS.get(char) or (f"\\u{ord(char):04X}" if ord(char) < 32 or not char.isprintable() else char)
        for char in sprint(list(values))
    )


def _urlquery(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(sprint(list(values)))


def _pad(value: str, before: int, after: int) -> str:
    return " " * before + value + " " * after if value else value


def _truncate(value: str, length: int) -> str:
    if length < 0:
        raise TemplateError(f"slice bounds out of range [:{length}]")
    return value[:length]


def _title(value: str) -> str:
    return re.sub(r"(?<!\w)[^\W\d_]", lambda match: match[0].upper(), value)


def _split(value: str, by: str) -> list[str]:
    return value.split(by) if by else list(value)


FUNCTIONS = {
    "and": Function(truth, "a*"),
    "or": Function(truth, "a*"),
    "not": Function(lambda value: not truth(value), "a"),
    "eq": Function(_eq, "a*"),
    "ne": Function(lambda a, b: not _eq(a, b), "aa"),
    "lt": Function(_lt, "aa"),
    "le": Function(lambda a, b: not _lt(b, a), "aa"),
    "gt": Function(lambda a, b: _lt(b, a), "aa"),
    "ge": Function(lambda a, b: not _lt(a, b), "aa"),
    "index": Function(_index, "a*"),
    "slice": Function(_slice, "a*"),
    "len": Function(_len, "a"),
    "call": Function(_call, "a*"),
    "print": Function(lambda *values: sprint(list(values)), "*"),
    "println": Function(lambda *values: " ".join(map(text, values)) + "\n", "*"),
    "printf": Function(lambda form, *values: sprintf(form, list(values)), "s*"),
    "html": Function(_html, "*"),
    "js": Function(_js, "*"),
    "urlquery": Function(_urlquery, "*"),
    "json": Function(to_json, "a"),
    "join": Function(lambda values, by: by.join(map(text, values or ())), "ls"),
    "split": Function(_split, "ss"),
    "lower": Function(str.lower, "s"),
    "upper": Function(str.upper, "s"),
    "title": Function(_title, "s"),
    "pad": Function(_pad, "sii"),
    "truncate": Function(_truncate, "si"),
}

# Over a table's headings these leave the heading alone, as docker's do.
_SAME = Function(lambda value, *_: value, "a*")
HEADING_FUNCTIONS = dict.fromkeys(("json", "join", "split", "lower", "upper", "title", "truncate"), _SAME)
