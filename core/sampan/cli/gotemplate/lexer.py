"""Cut a template into text and actions, and actions into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sampan.cli.gotemplate.failure import TemplateError

TEXT, OPEN, CLOSE = "text", "open", "close"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>[+-]?(?:\.?\d)[\w.]*(?:(?<=[eEpP])[+-]\w+)?)
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<variable>\$\w*)
  | (?P<name>[^\W\d]\w*)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<raw>`[^`]*`)
  | (?P<char>'(?:[^'\\\n]|\\.)*')
  | (?P<operator>:=|[=|(),])
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"(?:-\s+)?/\*(.*?)\*/(\s+-)?\}\}", re.DOTALL)
_TRIM = " \t\r\n"
_TRIM_MARKS = tuple("-" + space for space in _TRIM)


class Token:
    """A piece: its kind, its text and where it begins."""

    __slots__ = ("kind", "position", "text")

    def __init__(self, kind: str, text: str, position: int) -> None:
        self.kind = kind
        self.text = text
        self.position = position


def tokens(source: str) -> Iterator[Token]:
    """Yield the tokens of a template; an action's lie between OPEN and CLOSE. Raises TemplateError."""
    position = 0
    trim = False
    while True:
        start = source.find("{{", position)
        text = source[position:] if start < 0 else source[position:start]
        begin = position + (len(text) - len(text.lstrip(_TRIM)) if trim else 0)
        text = text.lstrip(_TRIM) if trim else text
        trimmed = start >= 0 and source.startswith(_TRIM_MARKS, start + 2)
        if trimmed:
            text = text.rstrip(_TRIM)
        if text:
            yield Token(TEXT, text, begin)
        if start < 0:
            return
        if comment := _comment(source, start):
            trim, position = comment
            continue
        yield Token(OPEN, "{{", start)
        found = list(_action(source, start + 3 if trimmed else start + 2))
        yield from found
        position = found[-1].position + len(found[-1].text)
        trim = found[-1].text.startswith("-")


def _comment(source: str, start: int) -> tuple[bool, int] | None:
    if not source[start + 2 :].lstrip("- \t\r\n").startswith("/*"):
        return None
    match = _COMMENT.match(source, start + 2)
    if match is None:
        raise TemplateError("unclosed comment", start)
    return match[2] is not None, match.end()


def _action(source: str, position: int) -> Iterator[Token]:
    depth = 0
    spaced = False
    while True:
        if source.startswith("}}", position) or (spaced and source.startswith("-}}", position)):
            if depth:
                raise TemplateError("unclosed left paren", position)
            yield Token(CLOSE, "}}" if source[position] == "}" else "-}}", position)
            return
        match = _TOKEN.match(source, position)
        if match is None:
            raise TemplateError(_complaint(source, position), position)
        kind = str(match.lastgroup)
        depth += (match[0] == "(") - (match[0] == ")")
        if depth < 0:
            raise TemplateError("unexpected right paren", position)
        yield Token(kind, match[0], position)
        spaced = kind == "space"
        position = match.end()


def _complaint(source: str, position: int) -> str:
    if position >= len(source):
        return "unclosed action"
    kinds = {'"': "unterminated quoted string", "`": "unterminated raw quoted string"}
    at = source[position]
    if at == "'":
        return "unterminated character constant"
    return kinds.get(at) or f"bad character U+{ord(at):04X} {at!r}"
