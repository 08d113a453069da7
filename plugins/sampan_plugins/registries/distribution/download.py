"""Stream a blob, going on where a broken download stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sampan.errors import Corrupt, SampanError
from sampan_plugins.registries.distribution.failures import Interrupted, Unreachable, translate
from sampan_plugins.registries.distribution.retry import Backoff

if TYPE_CHECKING:
    from requests import Response

CHUNK = 1 << 20
_PROGRESS = 64 << 10  # bytes that make up for a failure; fewer, and a peer could keep a download alive forever
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Source = Callable[[dict[str, str]], "Response"]
"""Ask for the blob with these further headers; the answer is a success. Raises what a Registry raises."""


class Download:
    """A blob of ``size`` bytes on its way, from the first of ``sources`` that has it.

    Iterate once; close always. A break is mended by a Range request to the same source, then to the next ones.
    """

    def __init__(self, sources: list[Source], size: int, what: str, host: str, backoff: Callable[[], Backoff]) -> None:
        self._sources = sources
        self._size = size
        self._what = what
        self._host = host
        self._new_backoff = backoff
        self._backoff = backoff()
        self._position = 0
        self._response: Response | None = None
        self._to_skip = 0
        self._open()

    def close(self) -> None:
        """Let go of the connection; one whose body is read to the end goes back to the pool."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def __iter__(self) -> Iterator[bytes]:
        mark = 0
        while True:
            try:
                yield from self._rest()
            except Interrupted as failure:
                self.close()
                if self._position - mark >= _PROGRESS:
                    self._backoff.progressed()
                mark = self._position
                if not self._backoff.wait():
                    self._next_source(failure)
                self._reopen()
            else:
                return

    def _rest(self) -> Iterator[bytes]:
        while chunk := self._read():
            if self._to_skip:
                skipped = min(self._to_skip, len(chunk))
                self._to_skip -= skipped
                chunk = chunk[skipped:]
            self._position += len(chunk)
            if self._position > self._size:
                raise Corrupt(f"{self._what} is longer than the {self._size} bytes its manifest says")
            if chunk:
                yield chunk
        if self._position < self._size:
            raise Interrupted(f"the connection to {self._host} broke: {self._what} ended early")

    def _read(self) -> bytes:
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        assert self._response is not None
        try:
            # Raw: requests would undo a Content-Encoding, and the digest is of the bytes as stored.
            content: bytes = self._response.raw.read(CHUNK, decode_content=False)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            if self._position == self._size and not self._to_skip:
                return b""  # all of it came; how the connection ends does not matter
            raise translate(error, self._host) from error
        return content

    def _open(self) -> None:
        """Ask the sources in turn; the last one's refusal is raised."""
        headers = {"Range": f"bytes={self._position}-"} if self._position else {}
        while True:
            try:
                self._response = self._sources[0](headers)
                self._check()
            except SampanError as failure:
                self.close()
                self._next_source(failure)
            else:
                return

    def _reopen(self) -> None:
        while True:
            try:
                self._open()
            except (Interrupted, Unreachable):
                if not self._backoff.wait():
                    raise
            else:
                return

    def _next_source(self, failure: SampanError) -> None:
        if len(self._sources) == 1:
            raise failure
        del self._sources[0]
        self._backoff = self._new_backoff()

    def _check(self) -> None:
        """See that the answer is the part asked for. A 200 is the whole blob: what is here already is skipped."""
        assert self._response is not None
        headers = self._response.headers
        start = 0
        if self._response.status_code == 206:
            found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
            start = int(found.group(1)) if found else -1
            if start != self._position or (found and found.group(3) not in ("*", str(self._size))):
                raise Corrupt(f"{self._host} sent another part of {self._what} than asked for")
        self._to_skip = self._position - start
        length = headers.get("Content-Length", "")
        if length.isdecimal() and "Content-Encoding" not in headers and start + int(length) != self._size:
            raise Corrupt(f"{self._what} is {start + int(length)} bytes, its manifest says {self._size}")
