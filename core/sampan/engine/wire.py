"""Frame what a monitor and those attached to it say to each other.

A frame is one byte of kind, four of length (big-endian), and the content. The monitor sends STARTED, with the names of
the modules it had to load, or FAILED once to whoever started it, before that WAITING if another command has the
container, then OUTPUT and ERRORS as they come, and EXIT last. A
client sends INPUT, CLOSE_INPUT and RESIZE, or WATCH to be told of the EXIT alone; NAMES
wants the container to have a name service, and is answered with the same when it has one, if it can.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

import msgspec

from sampan import errors

_HEADER = struct.Struct(">BI")
_SIZE = struct.Struct(">HH")
LARGEST = 1 << 16
"""Bytes of content in the largest frame of input or output."""
_LIMIT = 1 << 20


class Kind(enum.IntEnum):
    """What a frame carries."""

    INPUT = 0
    OUTPUT = 1
    ERRORS = 2
    CLOSE_INPUT = 3
    RESIZE = 4
    STARTED = 5
    FAILED = 6
    EXIT = 7
    WATCH = 8
    NAMES = 9
    WAITING = 10


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """An error on its way to the process that waits for it."""

    kind: str
    message: str
    hint: str | None = None


def frame(kind: Kind, content: bytes = b"") -> bytes:
    """Return one frame."""
    return _HEADER.pack(kind, len(content)) + content


def resize(height: int, width: int) -> bytes:
    """Return the frame that tells a terminal's new size in characters."""
    return frame(Kind.RESIZE, _SIZE.pack(height, width))


def size(content: bytes) -> tuple[int, int]:
    """Return height and width from a RESIZE frame's content. Raises ValueError when it is none."""
    if len(content) != _SIZE.size:
        raise ValueError("no size")
    height, width = _SIZE.unpack(content)
    return height, width


def failure(error: BaseException) -> bytes:
    """Return an error as the content of a FAILED frame."""
    if isinstance(error, errors.SampanError):
        # A plugin may have classes of its own; the other side knows those of the tree.
        known = next(kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
        return msgspec.json.encode(Failure(known, error.message, error.hint))
    return msgspec.json.encode(Failure("SampanError", f"internal error: {type(error).__name__}: {error}"))


def error(content: bytes) -> errors.SampanError:
    """Return the error that a FAILED frame's content tells of."""
    told = msgspec.json.decode(content, type=Failure)
    made = getattr(errors, told.kind)(told.message, told.hint)
    assert isinstance(made, errors.SampanError)
    return made


class Parser:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def pending(self) -> bool:
        """Whether the beginning of a frame has come, and not its end."""
        return bool(self._pending)

    def feed(self, received: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Take bytes as they come, yield the frames that are whole. Raises ValueError on what is no frame."""
        self._pending += received
        while len(self._pending) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._pending)
            if length > _LIMIT:
                raise ValueError("a frame is too long")
            end = _HEADER.size + length
            if len(self._pending) < end:
                return
            content = bytes(self._pending[_HEADER.size : end])
            del self._pending[:end]
            yield Kind(kind), content
