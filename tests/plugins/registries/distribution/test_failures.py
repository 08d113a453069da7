from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator

import pytest
import requests.exceptions
import urllib3.exceptions

from sampan.errors import SampanError
from sampan_plugins.registries.distribution.failures import Interrupted, Unreachable, translate


def family(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


EVERY = sorted({*family(requests.exceptions.RequestException), *family(urllib3.exceptions.HTTPError)},
               key=lambda kind: (kind.__module__, kind.__qualname__))


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_foreign_error_becomes_one_of_ours(kind: type[Exception]) -> None:
    error = kind.__new__(kind)  # their constructors want all kinds of things
    found = translate(error, "registry.example")
    assert isinstance(found, SampanError)
    assert "registry.example" in found.message
    assert "\n" not in str(found)


def test_causes_are_told_in_plain_words() -> None:
    refused = requests.exceptions.ConnectionError()
    refused.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    reset = requests.exceptions.ConnectionError(
        urllib3.exceptions.ProtocolError("aborted", ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")))
    assert str(translate(reset, "h")) == "the connection to h broke: connection reset by peer"
    assert "connection refused" in str(translate(refused, "h"))
    assert isinstance(translate(TimeoutError(), "h"), Interrupted)
    assert isinstance(translate(ssl.SSLError(1, "x"), "h"), Unreachable)


def test_circular_causes_end() -> None:
    error = requests.exceptions.ConnectionError()
    error.__context__ = other = ValueError(error)
    other.__cause__ = error
    assert isinstance(translate(error, "h"), Interrupted)
