"""What templates see of Python values: fields, truth, types, order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sampan.cli.gotemplate.failure import TemplateError


class Record(dict[str, Any]):
    """A row of a listing: a struct with these fields and no others.

    A value may be a function: a field worked out only when used, or, with parameters, a method such as ``.Label "x"``.
    """

    def __init__(self, fields: Mapping[str, Any], kind: str = "row") -> None:
        super().__init__(fields)
        self.kind = kind

    def fields(self) -> dict[str, Any]:
        """Return what JSON shows: every field that takes no argument, sorted by name."""
        found = ((name, self[name]) for name in sorted(self))
        return {name: value() if callable(value) else value for name, value in found if arity(value) == 0}


class Struct(dict[str, Any]):
    """A mapping that prints as a Go struct does: its values alone, in braces.

    ``members`` are all that the struct has, with what is printed of those that the mapping, like JSON, leaves out.
    """

    def __init__(self, fields: Mapping[str, Any], members: Mapping[str, Any] | None = None) -> None:
        super().__init__(fields)
        self.members = members or self


class NilList(list[Any]):
    """A list that is not there: empty, but null as JSON."""


class NilMap(dict[str, Any]):
    """A map that is not there: empty, but null as JSON."""


class Missing:
    """What a Go map gives for a key it lacks: prints as ``<no value>``."""

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


def arity(value: Any) -> int:
    """Return how many arguments a field takes; 0 for a plain value."""
    return value.__code__.co_argcount if callable(value) and hasattr(value, "__code__") else 0


def lookup(value: Any, name: str, arguments: list[Any], strict: bool, omitted: Mapping[str, Any]) -> Any:
    """Return a field of a value. Raises TemplateError, its place still to be filled in."""
    if isinstance(value, Record):
        if name not in value:
            raise TemplateError(f"can't evaluate field {name} in type {value.kind}")
        found = value[name]
        return _call(found, name, arguments) if callable(found) else _plain(found, name, arguments)
    if isinstance(value, Mapping):
        if name in value:
            return _plain(value[name], name, arguments)
        if name == "ID" and "Id" in value:  # Go's name of the member, where JSON has another
            return _plain(value["Id"], name, arguments)
        if strict and is_struct(value):
            if name in omitted:
                return _plain(omitted[name], name, arguments)
            raise TemplateError(f'map has no entry for key "{name}"')
        return _plain(MISSING, name, arguments)
    if value is MISSING:
        return MISSING
    if value is None:
        raise TemplateError(f"nil pointer evaluating interface {{}}.{name}")
    raise TemplateError(f"can't evaluate field {name} in type {type_name(value)}")


def _plain(value: Any, name: str, arguments: list[Any]) -> Any:
    if arguments:
        raise TemplateError(f"{name} is not a method but has arguments")
    return value


def _call(function: Callable[..., Any], name: str, arguments: list[Any]) -> Any:
    wanted = arity(function)
    if wanted != len(arguments):
        raise TemplateError(f"wrong number of args for {name}: want {wanted} got {len(arguments)}")
    return function(*arguments)


def is_struct(value: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping stands for a Go struct: it has members, and all are named as exported fields are."""
    return bool(value) and all(
        isinstance(key, str) and key[:1].isascii() and key[:1].isupper() and key.isidentifier() for key in value
    )


def truth(value: Any) -> bool:
    """Tell what ``if`` makes of a value."""
    return True if isinstance(value, Record) else bool(value)


def type_name(value: Any) -> str:
    """Return the name of the Go type a value stands for."""
    if isinstance(value, Record):
        return value.kind
    if isinstance(value, Mapping):
        return "map[string]interface {}"
    if isinstance(value, (list, tuple)):
        return "[]string" if value and all(isinstance(one, str) for one in value) else "[]interface {}"
    return {bool: "bool", int: "int", float: "float64", str: "string"}.get(type(value), "<nil>")


def pairs(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """Return what ``range`` goes over, as (key, element), or None when it cannot. Nothing is in nil."""
    if value is None or value is MISSING:
        return ()
    if isinstance(value, Record):
        return None
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ((n, n) for n in range(value))
    return None
