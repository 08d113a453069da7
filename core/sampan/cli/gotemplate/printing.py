"""Print values as Go's fmt package does, and as encoding/json does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sampan.cli.gotemplate.values import MISSING, NilList, NilMap, Record, Struct, is_struct, type_name

_INDEX = r"(?:\[([^\]]*)\])?"
_VERB = re.compile(rf"%([-+# 0]*){_INDEX}(\*|\d+)?(?:\.{_INDEX}(\*|\d*))?{_INDEX}(.)?", re.DOTALL)


def show(value: Any) -> str:
    """Print as an action does: as ``%v``, but ``<no value>`` for what is not there."""
    return "<no value>" if value is MISSING else text(value)


def text(value: Any) -> str:
    """Print as ``%v``."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value, 21 if value == 0 else 6)
    if isinstance(value, Record):
        value = value.fields()
    if isinstance(value, Struct):
        return "{" + " ".join(text(value.get(name, zero)) for name, zero in value.members.items()) + "}"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{text(key)}:{text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(text, value)) + "]"
    return str(value)


def number(value: float, limit: int) -> str:
    """Print with the fewest digits; with an exponent below 1e-4 and from 10**limit on (Go's %g; JSON has limit 21)."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0") or "0"
    sign = "-" if str(value)[0] == "-" else ""
    lowest = -4 if limit < 21 else -6
    if value and not lowest <= point - 1 < limit:
        rest = f".{digits[1:]}" if digits[1:] else ""
        return f"{sign}{digits[0]}{rest}e{point - 1:+03d}"
    if value == 0:
        return sign + "0"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = digits[point:]
    return sign + digits[:point].ljust(point, "0") + (f".{tail}" if tail else "")


def sprint(values: list[Any]) -> str:
    """Print one after the other, with a space between two when neither is a string."""
    out = ""
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            out += " "
        out += text(value)
    return out


def sprintf(form: str, values: list[Any]) -> str:
    """Print as Go's Printf: what does not fit is shown in the text, never an error."""
    arguments = _Arguments(values)
    out = _VERB.sub(arguments.formatted, form)
    rest = arguments.left()
    if rest:
        out += "%!(EXTRA " + ", ".join(f"{type_name(value)}={text(value)}" for value in rest) + ")"
    return out


class _Arguments:
    """What a Printf is given, and which of it comes next: ``[N]`` in a verb goes to the Nth."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values
        self._next = 0
        self._reordered = False

    def left(self) -> list[Any]:
        """Return what no verb took, unless they chose for themselves."""
        return [] if self._reordered else self._values[self._next :]

    def formatted(self, match: re.Match[str]) -> str:
        """Return what stands for one verb."""
        flags, first, width, second, precision, third, verb = match.groups()
        good, complaint = self._seek(first), ""
        if width == "*":
            wide = self._number()
            complaint = "" if wide is not None else "%!(BADWIDTH)"
            width, flags = str(abs(wide or 0)), flags + "-" * ((wide or 0) < 0)
        good = self._seek(second) and good
        if precision == "*":
            exact = self._number()
            complaint += "" if exact is not None else "%!(BADPREC)"
            precision = None if exact is None or exact < 0 else str(exact)
        good = self._seek(third) and good
        if verb == "%":
            return "%"
        if verb is None:
            return "%!(NOVERB)"
        if not good:
            return f"{complaint}%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{complaint}%!{verb}(MISSING)"
        return complaint + _verb(
            verb, flags, int(width or 0), None if precision is None else int(precision or 0), self._take()
        )

    def _seek(self, index: str | None) -> bool:
        if index is None:
            return True
        self._reordered = True
        if not index.isdecimal() or not 0 < int(index) <= len(self._values):
            return False
        self._next = int(index) - 1
        return True

    def _take(self) -> Any:
        self._next += 1
        return self._values[self._next - 1]

    def _number(self) -> int | None:
        value = self._take() if self._next < len(self._values) else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def _verb(verb: str, flags: str, width: int, precision: int | None, value: Any) -> str:
    if isinstance(value, (list, tuple)) and verb in "sqdx":
        return "[" + " ".join(_verb(verb, flags, width, precision, one) for one in value) + "]"
    body = _body(verb, flags, precision, value)
    if body is None:
        return f"%!{verb}({'<nil>' if value is None else f'{type_name(value)}={text(value)}'})"
    if "-" in flags:
        return body.ljust(width)
    if "0" in flags:
        signed = body[:1] in ("+", "-") and not isinstance(value, str)
        return body[0] + body[1:].rjust(width - 1, "0") if signed else body.rjust(width, "0")
    return body.rjust(width)


def _body(verb: str, flags: str, precision: int | None, value: Any) -> str | None:
    if verb == "T":
        return type_name(value)
    if verb == "v":
        if isinstance(value, str):
            return quote(value) if "#" in flags else value[:precision]
        return _sign(text(value), flags, value)
    if verb == "t":
        return text(value) if isinstance(value, bool) else None
    if isinstance(value, str):
        return _string(verb, flags, value[:precision])
    if isinstance(value, float) and verb in "eEfFgG":
        if verb in "gG" and precision is None:
            return _sign(number(value, 6), flags, value)
        return _sign(f"{value:.{6 if precision is None else precision}{verb}}", flags, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(verb, flags, value)
    return None


def _string(verb: str, flags: str, value: str) -> str | None:
    if verb == "s":
        return value
    if verb == "q":
        return f"`{value}`" if "#" in flags and "`" not in value else quote(value, ascii_only="+" in flags)
    if verb in "xX":
        digits = value.encode(errors="surrogateescape").hex()
        return digits.upper() if verb == "X" else digits
    return None


def _integer(verb: str, flags: str, value: int) -> str | None:
    if verb == "c":
        return chr(value)
    if verb == "q":
        return "'" + quote(chr(value))[1:-1].replace("'", "\\'") + "'"
    if verb == "U":
        return f"U+{value:04X}"
    if verb in "dxXob":
        return _sign(format(value, ("#" if "#" in flags else "") + verb), flags, value)
    return None


def _sign(body: str, flags: str, value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or body.startswith(("-", "+")):
        return body
    return "+" + body if "+" in flags else " " + body if " " in flags else body


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def quote(value: str, ascii_only: bool = False) -> str:
    """Quote as a Go string literal."""
    out = []
    for char in value:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        elif code < 0x7F or (char.isprintable() and not ascii_only):
            out.append(char)
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'


_JSON_STRING = re.compile('[\x00-\x1f"\\\\\u2028\u2029\ud800-\udfff]')
_HTML = re.compile("[<>&]")
_JSON_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"', "\\": "\\\\"}


def to_json(value: Any, html: bool = False) -> str:
    """Encode as Go: maps sorted, structs in order; <, > and & escaped in Records, as Docker's listings do."""
    if value is None or value is MISSING or isinstance(value, (NilList, NilMap)):
        return "null"
    if isinstance(value, str):
        found = _JSON_STRING.sub(_json_escape, value)
        return f'"{_HTML.sub(_unicode, found) if html else found}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return re.sub(r"e-0(\d)$", r"e-\1", number(value, 21))
    if isinstance(value, Record):
        value, html = value.fields(), True
    if isinstance(value, Mapping):
        keys = value if is_struct(value) else sorted(value, key=str)
        return "{" + ",".join(f"{to_json(str(key), html)}:{to_json(value[key], html)}" for key in keys) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(to_json(one, html) for one in value) + "]"
    return str(value)


def _json_escape(match: re.Match[str]) -> str:
    if "\ud800" <= match[0] <= "\udfff":
        return "\\ufffd"
    return _JSON_SHORT.get(match[0]) or _unicode(match)


def _unicode(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
