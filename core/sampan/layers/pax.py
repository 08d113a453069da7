"""Parse and carry out PAX extended headers (POSIX.1-2017 pax, "pax Extended Header")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import Corrupt

if TYPE_CHECKING:
    from sampan.layers.reader import Entry

Records = dict[bytes, bytes]

_SCHILY = b"SCHILY.xattr."
_LIBARCHIVE = b"LIBARCHIVE.xattr."
_REPEATED = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


def parse(content: bytes) -> Records:
    """Return the records of an extended header, the last of each keyword. Raises Corrupt."""
    records: Records = {}
    pairs: list[tuple[bytes, bytes]] = []  # of the one form whose keywords repeat and all count
    pos, end = 0, len(content)
    while pos < end and content[pos]:
        space = content.find(b" ", pos, pos + 12)
        digits = content[pos:space] if space >= 0 else b""
        if not digits.isdigit():
            raise Corrupt("layer: a damaged PAX header")
        stop = pos + int(digits)
        keyword, equals, value = content[space + 1:stop - 1].partition(b"=")
        if stop > end or stop <= space + 1 or content[stop - 1] != 10 or not equals or not keyword:
            raise Corrupt("layer: a damaged PAX header")
        if keyword in _REPEATED:
            pairs.append((keyword, value))
        records[keyword] = value
        pos = stop
    if pairs:
        records[b"GNU.sparse.map"] = _gathered(pairs)
    return records


def amend(entry: Entry, records: Records) -> None:
    """Let ``records`` override what the entry's own header says. An empty value takes an override back."""
    xattrs: dict[bytes, bytes] = {}
    for keyword, value in records.items():
        if keyword.startswith(_SCHILY):
            xattrs[keyword[len(_SCHILY):]] = value
        elif keyword.startswith(_LIBARCHIVE):
            name, decoded = _libarchive(keyword[len(_LIBARCHIVE):], value)
            xattrs.setdefault(name, decoded)
        elif value:
            _override(entry, keyword, value)
    if xattrs:
        entry.xattrs = xattrs


def _gathered(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Return the map of a sparse file in the form 0.0 as the form 0.1 has it."""
    for index, (keyword, value) in enumerate(pairs):
        if keyword != _REPEATED[index % 2] or b"," in value:
            raise Corrupt("layer: a damaged map of a sparse file")
    return b",".join(value for _, value in pairs)


def _override(entry: Entry, keyword: bytes, value: bytes) -> None:
    if keyword == b"path":
        entry.name = value
    elif keyword == b"linkpath":
        entry.link = value
    elif keyword == b"size":
        entry.size = _number(keyword, value)
    elif keyword == b"uid":
        entry.uid = _number(keyword, value)
    elif keyword == b"gid":
        entry.gid = _number(keyword, value)
    elif keyword == b"mtime":
        entry.mtime = _time(value)


def _number(keyword: bytes, value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise Corrupt(f"layer: PAX {keyword.decode()} is {value[:40]!r}")
    return int(value)


def _time(value: bytes) -> int:
    """Return decimal seconds as nanoseconds."""
    seconds, _, fraction = value.partition(b".")
    digits = seconds.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 18 or (fraction and not fraction.isdigit()):
        raise Corrupt(f"layer: PAX mtime is {value[:40]!r}")
    nanoseconds = int(digits) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if seconds.startswith(b"-") else nanoseconds


def _libarchive(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    import base64
    import binascii
    from urllib.parse import unquote_to_bytes

    try:
        return unquote_to_bytes(name), base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error as error:
        raise Corrupt("layer: a damaged LIBARCHIVE.xattr record") from error
