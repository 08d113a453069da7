"""Read the maps of sparse files: GNU's old type ``S``, PAX 0.0, 0.1 and 1.0 (GNU tar manual, "Sparse Formats").

A map has the offset and length of each piece that is in the archive, in bytes; what is between them are zeros.
What is refused, and which unknown forms are taken for plain files, is as in Docker, that is, in Go's archive/tar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sampan.errors import Corrupt
from sampan.layers.pax import Records

Map = list[tuple[int, int]]

MARK: Final = b"GNU.sparse."
_MAP: Final = MARK + b"map"
_GNU: Final = b"ustar  \0"
_MOST: Final = 1 << 20  # bytes of a map; more is an attack
_IN_HEADER: Final = (386, 4)  # where a map begins in a block, and how many pieces it has there
_IN_EXTENSION: Final = (0, 21)


def of_old(header: bytes, take: Callable[[int], bytes], number: Callable[[bytes], int]) -> tuple[int, Map]:
    """Return a file's whole size and map, for a header of type ``S``; ``take`` gives the blocks that follow.

    ``number`` decodes a field. Raises Corrupt.
    """
    if header[257:265] != _GNU:
        raise Corrupt("layer: a sparse file of GNU's type in an archive that is not GNU's")
    found: Map = []
    block, (start, most) = header, _IN_HEADER
    while True:
        for at in range(start, start + most * 24, 24):
            if not block[at]:
                break
            found.append((number(block[at:at + 12]), number(block[at + 12:at + 24])))
        if not block[start + most * 24]:
            return number(header[483:495]), found
        if len(found) * 24 > _MOST:
            raise Corrupt(f"layer: a sparse file in more than {len(found)} pieces")
        block, (start, most) = take(512), _IN_EXTENSION


def whole_size(records: Records) -> int | None:
    """Return the size of the file with its holes that PAX records tell, None when they tell none. Raises Corrupt."""
    size = records.get(MARK + b"size") or records.get(MARK + b"realsize")
    return _number(size) if size else None


def version(records: Records) -> int | None:
    """Return the form's first number; None when the records are not of a sparse file, or of an unknown form."""
    form = (records.get(MARK + b"major", b""), records.get(MARK + b"minor", b""))
    if form in ((b"0", b"0"), (b"0", b"1")) or (form == (b"", b"") and records.get(_MAP)):
        return 0
    return 1 if form == (b"1", b"0") else None


def of_records(records: Records) -> Map:
    """Return the map that is in the records of the forms 0.0 and 0.1. Raises Corrupt."""
    numbers = [_number(word) for word in records.get(_MAP, b"").split(b",") if word]
    if len(numbers) != 2 * _number(records.get(MARK + b"numblocks", b"")):
        raise Corrupt("layer: a sparse file's map is not as long as it says")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def of_content(take: Callable[[int], bytes]) -> Map:
    """Return the map that whole blocks before the content hold (form 1.0); ``take`` gives them. Raises Corrupt."""
    text, wanted, numbers = b"", 1, list[int]()
    while len(numbers) < wanted:
        line, newline, rest = text.partition(b"\n")
        if newline:
            numbers.append(_number(line))
            wanted = 1 + 2 * numbers[0]
            text = rest
        elif wanted > _MOST or len(text) > 512:
            raise Corrupt("layer: a damaged map of a sparse file")
        else:
            text += take(512)
    return list(zip(numbers[1::2], numbers[2::2], strict=True))


def check(pieces: Map, size: int, stored: int) -> None:
    """Raise Corrupt unless the pieces follow each other inside ``size`` bytes and take up ``stored`` ones."""
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0:
            raise Corrupt("layer: the pieces of a sparse file overlap")
        end = offset + length
    if end > size:
        raise Corrupt("layer: a piece of a sparse file is beyond its end")
    if sum(length for _, length in pieces) != stored:
        raise Corrupt("layer: a sparse file does not have the content that its map tells of")


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise Corrupt(f"layer: {text[:40]!r} in the map of a sparse file")
    return int(text)
