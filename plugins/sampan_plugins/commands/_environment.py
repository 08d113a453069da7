"""Read environment files and label files as Docker does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from sampan.errors import InvalidInput


def environment(files: Iterable[str], given: Iterable[str], environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the variables of files, then those given one by one. a bare KEY of a file needs a value."""
    entries = []
    for file in files:
        for entry in _entries(file, "env"):
            if "=" in entry:
                entries.append(entry)
            elif entry in environ:
                entries.append(f"{entry}={environ[entry]}")
    return (*entries, *given)


def labels(files: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """Return labels by key, those given one by one outranking those of files."""
    entries = [entry for file in files for entry in _entries(file, "label")]
    return pairs((*entries, *given))


def pairs(entries: Iterable[str]) -> dict[str, str]:
    """Return ``key=value`` entries as a mapping; a bare key has an empty value."""
    return {key: value for key, _, value in (entry.partition("=") for entry in entries)}


def _entries(file: str, kind: str) -> Iterable[str]:
    try:
        with open(file, "rb") as stream:
            lines = [line.removesuffix(b"\r") for line in stream.read().split(b"\n")]
    except OSError as error:
        raise InvalidInput(f"open {file}: {(error.strerror or '').lower()}") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield from _entry(line, number)
        except InvalidInput as error:
            raise InvalidInput(f"invalid {kind} file ({file}): {error.message}") from error


def _entry(line: bytes, number: int) -> Iterable[str]:
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        text = line.decode().lstrip()
    except UnicodeDecodeError:
        shown = " ".join(str(byte) for byte in line)
        raise InvalidInput(f"invalid utf8 bytes at line {number}: [{shown}]") from None
    if not text or text.startswith("#"):
        return
    name = text.partition("=")[0]
    if not name:
        raise InvalidInput(f"no variable name on line '{text}'")
    if name != "".join(name.split()):
        raise InvalidInput(f"variable '{name}' contains whitespaces")
    yield text
