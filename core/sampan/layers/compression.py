"""Open gzip, zstd, bzip2, xz and plain streams by what they begin with; compress with gzip."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, cast

from sampan.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]  # Python 3.12 and later; only a name here

_MAGICS: Final = (
    (b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"),
)
_SKIPPABLE: Final = b"\x2a\x4d\x18"  # a zstd skippable frame: 5?2a4d18 (RFC 8878, 3.1.2)
_INPUT: Final = 128 * 1024
_OUTPUT: Final = 256 * 1024
# zstd blocks of 4 bytes may stand for 128 KiB each and its decoder has no output limit, so it is fed in small pieces.
_ZSTD_INPUT: Final = 8 * 1024
_ZSTD_WINDOW: Final = 1 << 27  # what the zstd command line accepts by default
_XZ_MEMORY: Final = 1 << 29


class _Decoder(Protocol):
    """What zlib, isal, bz2, lzma and zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def detect(head: bytes) -> str | None:
    """Name the compression of a stream that begins with ``head`` (6 bytes suffice): None when it is plain."""
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    if head[1:4] == _SKIPPABLE and head[:1] and 0x50 <= head[0] <= 0x5F:
        return "zstd"
    return None


def open_stream(source: BinaryIO) -> BinaryIO:
    """Return the uncompressed content of ``source``, whatever its compression, as a stream.

    Reading raises Corrupt where the compressed data breaks off or makes no sense. Several members or frames, one
    after the other, are one stream; zeros may follow them. ``source`` stays the caller's to close.
    """
    head = b""
    while len(head) < 6:
        piece = source.read(_INPUT)
        if not piece:
            break
        head = head + piece if head else piece
    name = detect(head)
    pieces = _plain(head, source) if name is None else _inflated(head, source, name)
    return cast(BinaryIO, PieceStream(pieces))


def _plain(head: bytes, source: BinaryIO) -> Iterator[bytes]:
    yield head
    while piece := source.read(_OUTPUT):
        yield piece


def _inflated(data: bytes, source: BinaryIO, name: str) -> Iterator[bytes]:
    make, step = _decoder(name)
    decoder, touched, members = make(), False, 0
    try:
        while True:
            if not data:
                data = source.read(_INPUT)
                if not data:
                    break
            if not touched and members and not data.strip(b"\0"):
                data = b""  # padding after the last member
                continue
            touched = True
            data, pieces = step(decoder, data)
            yield from pieces
            if decoder.eof:
                data = decoder.unused_data + data if decoder.unused_data is not data else data
                decoder, touched, members = make(), False, members + 1
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # reading the source failed
        if isinstance(error, _failures(name)):
            raise Corrupt(f"{name} data is damaged: {error}") from error
        raise
    if touched:
        raise Corrupt(f"{name} data ends too early")


_Step = Callable[[Any, bytes], tuple[bytes, Iterator[bytes] | tuple[bytes, ...]]]


def _decoder(name: str) -> tuple[Callable[[], _Decoder], _Step]:
    if name == "gzip":
        return _gzip_decoder(), _step_zlib
    if name == "zstd":
        import zstandard

        context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return cast(Callable[[], _Decoder], context.decompressobj), _step_zstd
    if name == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, _step_bounded
    import lzma

    return (lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)), _step_bounded


def _gzip_decoder() -> Callable[[], _Decoder]:
    try:
        from isal import isal_zlib
    except ImportError:
        import zlib

        return cast(Callable[[], _Decoder], lambda: zlib.decompressobj(31))
    return lambda: cast(_Decoder, isal_zlib.decompressobj(31))


def _failures(name: str) -> tuple[type[BaseException], ...]:
    if name == "gzip":
        import zlib

        try:
            from isal import isal_zlib
        except ImportError:
            return (zlib.error,)
        return (zlib.error, cast(type[Exception], isal_zlib.error))
    if name == "zstd":
        import zstandard

        return (zstandard.ZstdError, MemoryError)
    if name == "bzip2":
        return (OSError, EOFError, ValueError)
    import lzma

    return (lzma.LZMAError, EOFError, MemoryError)


def _step_zlib(decoder: Any, data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    piece = decoder.decompress(data, _OUTPUT)
    return decoder.unconsumed_tail, (piece,)


def _step_bounded(decoder: Any, data: bytes) -> tuple[bytes, Iterator[bytes]]:
    def drain() -> Iterator[bytes]:
        piece = decoder.decompress(data, _OUTPUT)
        yield piece
        while not decoder.eof and not decoder.needs_input:
            yield decoder.decompress(b"", _OUTPUT)

    return b"", drain()


def _step_zstd(decoder: Any, data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    piece = decoder.decompress(data[:_ZSTD_INPUT])
    return data[_ZSTD_INPUT:], (piece,)


class Compressor(Protocol):
    """What zlib and isal have in common the other way round."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Return what is ready of the compressed stream."""
    def flush(self) -> bytes:
        """Return the rest."""


def compressor() -> Compressor:
    """Return a fast gzip compressor. The same content, in whatever pieces, gives the same bytes on one machine."""
    try:
        from isal import isal_zlib
    except ImportError:
        import zlib

        return cast(Compressor, zlib.compressobj(1, zlib.DEFLATED, 31))
    return cast(Compressor, isal_zlib.compressobj(1, wbits=31))


class PieceStream(io.BufferedIOBase):
    """Present an iterator of byte strings as a stream; ``read1`` hands the pieces on without copying them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next piece, or the first ``size`` bytes of it; empty at the end."""
        piece = self._rest
        while not piece:
            following = next(self._pieces, None)
            if following is None:
                return b""
            piece = following
        if 0 <= size < len(piece):
            self._rest = piece[size:]
            return piece[:size]
        self._rest = b""
        return piece

    def read(self, size: int | None = -1, /) -> bytes:
        """Return ``size`` bytes, fewer only at the end; everything when negative or None."""
        if size is None or size < 0:
            return b"".join(iter(self.read1, b""))
        found = []
        while size and (piece := self.read1(size)):
            found.append(piece)
            size -= len(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer`` and return how many bytes were put there."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)
