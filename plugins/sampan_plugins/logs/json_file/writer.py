"""Write a json-file log: whole lines at once, rotated by size."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sampan.contracts.log import NOTHING, LogWriter, Stream
from sampan_plugins.logs.json_file import files
from sampan_plugins.logs.json_file.record import encode, extra

LONGEST = 16 * 1024
"""A line of more bytes than this is kept in pieces, as Docker keeps it; only the last piece has the newline."""


class JsonFileWriter(LogWriter):
    """The writer of one log. A full disk loses output, and says so in the log later, but never raises."""

    def __init__(
        self, path: str, max_size: int, max_file: int, attributes: Mapping[str, str] = NOTHING
    ) -> None:
        self._path = path
        self._max_size = max_size
        self._max_file = max_file
        self._extra = extra(attributes)
        self._unfinished: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        self._began: dict[Stream, float] = {"stdout": 0.0, "stderr": 0.0}
        self._lost = 0
        self._fd = -1
        self._size = 0
        self._open()

    def write(self, stream: Stream, content: bytes, time: float) -> None:
        """Keep what is complete: up to the last newline, or pieces of a very long line; hold back the rest."""
        content = self._unfinished[stream] + content
        end = content.rfind(b"\n") + 1
        whole, rest = content[:end], content[end:]
        if len(whole) > LONGEST and (pieces := _split_long(whole)):
            self._keep(b"".join(encode(stream, piece, time, self._extra) for piece in pieces))
        elif whole:
            self._keep(encode(stream, whole, time, self._extra))
        while len(rest) > LONGEST:
            cut = _cut(rest, 0)
            self._keep(encode(stream, rest[:cut], time, self._extra))
            rest = rest[cut:]
        self._unfinished[stream] = rest
        self._began[stream] = time

    def close(self) -> None:
        """Keep lines that never got their newline, and close the file."""
        for stream, rest in self._unfinished.items():
            if rest:
                self._keep(encode(stream, rest, self._began[stream], self._extra))
                self._unfinished[stream] = b""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # a crash tore the last line; ours must not continue it

    def _keep(self, records: bytes) -> None:
        if self._max_size < 0:
            self._append(records)
            return
        # As Docker: a file grows until it has reached its size, by whole records.
        while records:
            if self._size >= self._max_size:
                self._rotate()
            end = records.find(b"\n", max(self._max_size - self._size - 1, 0)) + 1 or len(records)
            self._append(records[:end])
            records = records[end:]

    def _append(self, records: bytes) -> None:
        if self._lost:
            note = b"[log: %d bytes were lost: no space or error while writing]\n" % self._lost
            records = encode("stderr", note, _now(), self._extra) + records
        try:
            if self._fd < 0:
                self._open()
            written = os.write(self._fd, records)
            while written < len(records):
                written += os.write(self._fd, records[written:])
        except OSError:
            # Full disk, quota, I/O error: the container must not feel it.
            self._lost += len(records)
            self._undo()
            return
        self._size += written
        self._lost = 0

    def _undo(self) -> None:
        try:
            if self._fd >= 0:
                os.ftruncate(self._fd, self._size)
        except OSError:
            self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        try:
            files.rotate(self._path, self._max_file)
            os.close(self._fd)
            self._fd = -1
            self._size = 0
            self._open()
        except OSError:
            # Without a new file _append tries again, then counts what is lost.
            return


def _split_long(content: bytes) -> list[bytes]:
    """Cut whole lines where one is too long; empty when none is. Each piece is whole lines or one part of a line."""
    pieces: list[bytes] = []
    kept = start = 0
    while start < len(content):
        newline = content.rfind(b"\n", start, start + LONGEST + 1)
        if newline >= 0:
            start = newline + 1
            continue
        if start > kept:
            pieces.append(content[kept:start])
        kept = _cut(content, start)
        pieces.append(content[start:kept])
        start = kept
    if pieces and kept < len(content):
        pieces.append(content[kept:])
    return pieces


def _cut(content: bytes, start: int) -> int:
    """Return where to end a piece from ``start``: after LONGEST bytes, but not inside a UTF-8 character."""
    end = start + LONGEST
    for back in range(4):
        if content[end - back] & 0xC0 != 0x80:
            return end - back
    return end


def _now() -> float:
    import time

    return time.time()
