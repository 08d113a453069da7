"""Read tar archives as a stream: ustar, GNU, PAX and V7 (POSIX.1-2017 pax, "ustar Interchange Format"; tar(5)).

Written for speed: a layer has tens of thousands of entries, and everything done per entry counts. Names are bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from sampan.errors import Corrupt
from sampan.layers import pax, sparse

REGULAR: Final = b"0"
HARDLINK: Final = b"1"
SYMLINK: Final = b"2"
CHARACTER: Final = b"3"
BLOCK: Final = b"4"
DIRECTORY: Final = b"5"
FIFO: Final = b"6"
SPARSE: Final = b"S"
_KINDS = frozenset((REGULAR, HARDLINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO))
_ALIASES = {b"\0": REGULAR, b"7": REGULAR, SPARSE: REGULAR, DIRECTORY: DIRECTORY}
_DATA_LESS = frozenset((HARDLINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO))

# name mode uid gid size mtime chksum type linkname magic+version uname gname major minor prefix
_HEADER = struct.Struct("100s8s8s8s12s12s8ss100s8s32s32s8s8s155s12x")
_ZEROS = bytes(512)
_SPACES = b" " * 8
_PIECE = 256 * 1024
_META_LIMIT = 1 << 20  # a long name or a PAX header of more than a megabyte is an attack
_SIZE_LIMIT = 1 << 62


class Entry(msgspec.Struct):
    """One member. ``mtime`` in nanoseconds since the epoch.

    ``size`` is in bytes, 0 for what has no content. Of a file with a ``sparse`` map the archive holds only the pieces
    at those offsets, of those lengths, one after the other; the rest of its ``size`` are zeros.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: dict[bytes, bytes] | None = None
    sparse: sparse.Map | None = None


class Reader:
    """Iterate over the entries of an uncompressed archive; between two, ``content`` gives the bytes of the first.

    Raises Corrupt where the archive breaks off or makes no sense. After the end marker the stream is read out,
    so that whoever computes a digest on the way sees all of it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._read = getattr(stream, "read1", None) or stream.read
        self._chunk = b""
        self._pos = 0
        self._left = 0  # content of the current entry not yet taken
        self._padding = 0
        self._numbers: dict[bytes, int] = {}  # owners and modes repeat

    def __iter__(self) -> Iterator[Entry]:
        local: pax.Records | None = None
        long_name = long_link = None
        adler, unpack = zlib.adler32, _HEADER.unpack_from
        while True:
            if self._left or self._padding:
                self._skip(self._left)
                self._skip_padding()
                self._left = self._padding = 0
            pos = self._pos
            if len(self._chunk) - pos < 512:
                if not self._fill(512):
                    break
                pos = 0
            chunk = self._chunk
            fields = unpack(chunk, pos)
            (name, mode, uid, gid, size_field, mtime_field, stored, kind, link, magic, _, _, _, _, prefix) = fields
            if not name[0] and chunk[pos:pos + 512] == _ZEROS:
                self._pos = pos + 512
                self._drain()
                break
            # adler32's low half is the sum of the bytes plus one, modulo 65521: the checksum, summed in C.
            view = memoryview(chunk)
            total = adler(view[pos + 156:pos + 512], adler(_SPACES, adler(view[pos:pos + 148])))
            if ((total & 0xFFFF) - 1 - self._number(stored)) % 65521:
                self._verify_signed(chunk[pos:pos + 512], stored)
            self._pos = pos + 512
            size = self._size(size_field)
            if kind in b"gxLKX":
                if size > _META_LIMIT:
                    raise Corrupt(f"layer: an extended header of {size} bytes")
                content = self._take(size)
                if kind == b"L":
                    long_name = content.partition(b"\0")[0]
                elif kind == b"K":
                    long_link = content.partition(b"\0")[0]
                elif kind != b"g":  # records for all that follows; Docker passes over them
                    local = pax.parse(content)
                continue
            head = name.partition(b"\0")[0]
            if prefix[0] and magic[:6] == b"ustar\0":
                head = prefix.partition(b"\0")[0] + b"/" + head
            old_map = b""
            if kind not in _KINDS:
                if kind == SPARSE:
                    old_map = chunk[pos:pos + 512]
                elif kind == b"\0" and (long_name or head)[-1:] == b"/":
                    kind = DIRECTORY  # how V7 archives spell it
                kind = self._kind(kind, head)
                if not kind:
                    self._left, self._padding = size, -size % 512
                    local = long_name = long_link = None
                    continue
            entry = Entry(head, kind, self._number(mode), self._number(uid), self._number(gid), size,
                          self._number(mtime_field) * 1_000_000_000)
            if kind != REGULAR and kind != DIRECTORY:
                entry.link = link.partition(b"\0")[0]
                if kind in (CHARACTER, BLOCK):
                    entry.major, entry.minor = self._number(fields[12]), self._number(fields[13])
            if long_name is not None:
                entry.name = long_name
            if long_link is not None:
                entry.link = long_link
            if local is not None:
                pax.amend(entry, local)
            if kind in _DATA_LESS:
                entry.size = 0
            self._left = size = entry.size
            self._padding = -size % 512
            if old_map or local is not None:
                self._unfold(entry, old_map, local or {})
            local = long_name = long_link = None
            yield entry

    def content(self) -> Iterator[memoryview]:
        """Yield the content of the entry that iteration is at, in pieces."""
        while self._left:
            if self._pos == len(self._chunk) and not self._fill(1):
                raise Corrupt("layer: the archive ends inside a file")
            end = min(self._pos + self._left, len(self._chunk))
            piece = memoryview(self._chunk)[self._pos:end]
            self._left -= end - self._pos
            self._pos = end
            yield piece

    def _unfold(self, entry: Entry, old_map: bytes, records: pax.Records) -> None:
        """Give a sparse file its map, its name and its whole size; the position is then at its content."""
        form = sparse.version(records)
        if old_map:
            entry.size, entry.sparse = sparse.of_old(old_map, self._take, _parse_number)
        elif form is not None:
            entry.name = records.get(sparse.MARK + b"name") or entry.name
            stored = self._left
            entry.sparse = sparse.of_content(self._take_content) if form else sparse.of_records(records)
            size = sparse.whole_size(records)
            entry.size = stored if size is None else size
        if entry.sparse is None:
            return
        if entry.kind != REGULAR:
            raise Corrupt(f"layer: {entry.name.decode(errors='backslashreplace')!r} is sparse, and no file")
        sparse.check(entry.sparse, entry.size, self._left)

    def _take_content(self, size: int) -> bytes:
        if size > self._left:
            raise Corrupt("layer: a damaged map of a sparse file")
        self._left -= size
        return self._take(size)

    def _fill(self, wanted: int) -> bool:
        """Have ``wanted`` bytes at the position, which becomes 0. False at the very end of the stream."""
        rest = self._chunk[self._pos:]
        while len(rest) < wanted:
            more = self._read(_PIECE)
            if not more:
                if rest:
                    raise Corrupt("layer: the archive ends too early")
                return False
            rest = rest + more if rest else more
        self._chunk, self._pos = rest, 0
        return True

    def _skip(self, count: int) -> None:
        while count > (have := len(self._chunk) - self._pos):
            count -= have
            self._pos = len(self._chunk)
            if not self._fill(1):
                raise Corrupt("layer: the archive ends inside a file")
        self._pos += count

    def _skip_padding(self) -> None:
        """Pass over the current entry's padding, which some archivers (umoci's) leave out after the last entry."""
        count = self._padding
        while count > (have := len(self._chunk) - self._pos):
            count -= have
            self._pos = len(self._chunk)
            if not self._fill(1):
                return
        self._pos += count

    def _take(self, size: int) -> bytes:
        padded = size + -size % 512
        if len(self._chunk) - self._pos < padded and not self._fill(padded) and padded:
            raise Corrupt("layer: the archive ends inside a header")
        content = self._chunk[self._pos:self._pos + size]
        self._pos += padded
        return content

    def _drain(self) -> None:
        self._chunk, self._pos = b"", 0
        while self._read(_PIECE):
            pass

    def _number(self, field: bytes) -> int:
        value = self._numbers.get(field)
        if value is None:
            value = _parse_number(field)
            if len(self._numbers) < 4096:
                self._numbers[field] = value
        return value

    def _size(self, field: bytes) -> int:
        size = _parse_number(field)
        if not 0 <= size < _SIZE_LIMIT:
            raise Corrupt(f"layer: a file of {size} bytes")
        return size

    def _verify_signed(self, header: bytes, stored: bytes) -> None:
        # Some old archivers summed signed characters.
        total = sum(byte - 256 if byte > 127 else byte for byte in header[:148] + header[156:]) + 256
        if total != self._number(stored):
            raise Corrupt("layer: not a tar archive, or damaged: a header's checksum is wrong")

    def _kind(self, kind: bytes, name: bytes) -> bytes:
        """Return what an unusual type stands for; empty for one to pass over. Raises Corrupt for the rest."""
        alias = _ALIASES.get(kind)
        if alias is not None:
            return alias
        if kind == b"V":
            return b""
        raise Corrupt(f"layer: {name.decode(errors='backslashreplace')!r} has the unsupported type {kind!r}")


def is_header(block: bytes) -> bool:
    """Tell whether a block of 512 bytes is a valid header of an archive's entry."""
    if len(block) < 512 or block[:512] == _ZEROS:
        return False
    try:
        return sum(block[:148]) + sum(block[156:512]) + 256 == _parse_number(block[148:156])
    except Corrupt:
        return False


def _parse_number(field: bytes) -> int:
    """Decode an octal number, or a base-256 one as GNU writes what octal cannot hold."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = len(field) * 8
        return value - (1 << bits) if field[0] & 0x40 else value - (1 << (bits - 1))
    text = field.partition(b"\0")[0].strip()
    if not text:
        return 0
    if not text.isdigit():  # int() would take signs and underscores
        raise Corrupt(f"layer: {field!r} is not a number")
    try:
        return int(text, 8)
    except ValueError as error:
        raise Corrupt(f"layer: {field!r} is not a number") from error
