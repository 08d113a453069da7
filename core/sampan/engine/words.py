"""Split and expand words as Dockerfile instructions write them: quotes, backslashes, variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sampan.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?\-$!]")

_UNCLOSED = "missing '}'"


def split(text: str) -> list[str]:
    """Split at white space outside quotes; quotes and backslashes stay where they are."""
    found: list[str] = []
    word, quote, escaped = "", "", False
    for character in text:
        if not quote and not escaped and character.isspace():
            if word:
                found.append(word)
            word = ""
            continue
        word += character
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
    return [*found, word] if word else found


def quoted(text: str) -> str:
    """Return a text as Docker's messages quote it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def expand_all(texts: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """Expand each of several words."""
    return [expand(text, variables) for text in texts]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Take quotes and backslashes away and put variables in. Raises InvalidInput, in Docker's words."""
    try:
        return _Expansion(text, variables).until("")
    except ValueError as error:
        raise InvalidInput(f"failed to process {quoted(text)}: {error}") from error


class _Expansion:
    """One pass over a word. Syntax errors are ValueErrors."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._at = 0
        self._variables = variables

    def until(self, stop: str) -> str:
        """Expand up to an unquoted ``stop`` character, or the end."""
        out = ""
        while self._at < len(self._text) and (not stop or self._text[self._at] != stop):
            character = self._next()
            if character == "'":
                out += self._single()
            elif character == '"':
                out += self._double()
            elif character == "\\":
                out += self._next()
            elif character == "$":
                out += self._variable()
            else:
                out += character
        return out

    def _next(self) -> str:
        character = self._text[self._at : self._at + 1]
        self._at += 1
        return character

    def _single(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise ValueError("unexpected end of statement while looking for matching single-quote")
        out, self._at = self._text[self._at : end], end + 1
        return out

    def _double(self) -> str:
        out = ""
        while character := self._next():
            if character == '"':
                return out
            if character == "$":
                out += self._variable()
            elif character == "\\":
                following = self._next()
                out += following if following in '"$\\' else character + following
            else:
                out += character
        raise ValueError("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        if self._text[self._at : self._at + 1] != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._at += 1
        name = self._name()
        if not name:
            ended = self._at == len(self._text)
            raise ValueError(f"syntax error: {_UNCLOSED if ended else 'bad substitution'}")
        match self._next():
            case "}":
                return self._variables.get(name, "")
            case ":":
                return self._modified(name, self._next())
            case "?":
                return self._required(name, self._word(), empty=True)
            case _:
                raise ValueError("missing ':' in substitution")

    def _modified(self, name: str, modifier: str) -> str:
        value, word = self._variables.get(name, ""), self._word()
        match modifier:
            case "-":
                return value or word
            case "+":
                return word if value else ""
            case "?":
                return self._required(name, word, empty=False)
        raise ValueError(f"unsupported modifier ({modifier}) in substitution")

    def _required(self, name: str, message: str, *, empty: bool) -> str:
        """Return what must be set, to something else than nothing unless ``empty``."""
        value = self._variables.get(name)
        if value is None:
            raise ValueError(f"{name}: {message or 'is not allowed to be unset'}")
        if not (value or empty):
            raise ValueError(f"{name}: {message or 'is not allowed to be empty'}")
        return value

    def _word(self) -> str:
        word = self.until("}")
        if self._next() != "}":
            raise ValueError(f"syntax error: {_UNCLOSED}")
        return word

    def _name(self) -> str:
        match = _NAME.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]
