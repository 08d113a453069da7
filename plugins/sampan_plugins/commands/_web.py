"""Read what a URL leads to."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast
from urllib.error import HTTPError
from urllib.request import urlopen

from sampan.errors import Unavailable

_SECONDS_OF_SILENCE = 60.0
_MOST_OF_AN_ANSWER = 1024


@contextmanager
def opened(url: str) -> Iterator[BinaryIO]:
    """Open an http or https URL, redirects followed. Raises Unavailable, also from reading, when it breaks off too."""
    try:
        response = urlopen(url, timeout=_SECONDS_OF_SILENCE)
    except HTTPError as error:
        with error:
            said = error.read(_MOST_OF_AN_ANSWER).decode(errors="replace").strip()
        raise Unavailable(f"failed to GET {url} with status {error.code} {error.reason}: {said}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _failure(url, getattr(error, "reason", error)) from error
    with response:
        yield cast(BinaryIO, io.BufferedReader(_Body(url, response), 1 << 20))


def _failure(url: str, reason: object) -> Unavailable:
    said = getattr(reason, "strerror", None)
    return Unavailable(f'Get "{url}": {said.lower() if said else reason}')


class _Body(io.RawIOBase):
    def __init__(self, url: str, response: http.client.HTTPResponse) -> None:
        super().__init__()
        self._url = url
        self._response = response
        self._left = response.length  # None where nobody said

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        try:
            size = self._response.readinto(buffer)
        except (OSError, http.client.HTTPException) as error:
            raise _failure(self._url, error) from error
        if self._left is not None:
            self._left -= size
            if self._left and not size:
                raise Unavailable(f'Get "{self._url}": unexpected EOF')
        return size
