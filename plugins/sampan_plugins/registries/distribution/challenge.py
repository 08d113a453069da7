"""Parse WWW-Authenticate (RFC 9110 section 11.6.1)."""

from __future__ import annotations

import re

import msgspec

_SPACE = re.compile(r"[\s,]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAMETER = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=][^\s,"]*))""")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")
_ESCAPE = re.compile(r"\\(.)")


class Challenge(msgspec.Struct, frozen=True):
    """A scheme, in lower case, and its parameters, names in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse(header: str) -> list[Challenge]:
    """Return the challenges of a header's value, or of several joined by commas; what follows nonsense is dropped."""
    found: list[Challenge] = []
    position = _skip(header, 0)
    while scheme := _TOKEN.match(header, position):
        parameters: dict[str, str] = {}
        position = _skip(header, scheme.end())
        if not _PARAMETER.match(header, position) and (opaque := _TOKEN68.match(header, position)) \
                and header[scheme.end():position].isspace():
            position = _skip(header, opaque.end())
        while parameter := _PARAMETER.match(header, position):
            quoted, bare = parameter.group(2), parameter.group(3)
            parameters[parameter.group(1).lower()] = bare if quoted is None else _ESCAPE.sub(r"\1", quoted)
            position = _skip(header, parameter.end())
        found.append(Challenge(scheme.group().lower(), parameters))
    return found


def _skip(header: str, position: int) -> int:
    blank = _SPACE.match(header, position)
    return blank.end() if blank else position
