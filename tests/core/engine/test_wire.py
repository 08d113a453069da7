"""Tests of the frames between monitors and clients."""

from __future__ import annotations

import pytest

from sampan import errors
from sampan.engine import wire
from sampan.engine.wire import Kind


class _Foreign(errors.Conflict):
    """What a plugin may raise."""


def test_frames_survive_being_cut_anywhere() -> None:
    stream = wire.frame(Kind.OUTPUT, b"abc") + wire.frame(Kind.EXIT, b"0") + wire.resize(24, 80)
    expected = [(Kind.OUTPUT, b"abc"), (Kind.EXIT, b"0"), (Kind.RESIZE, b"\0\x18\0\x50")]
    for size in range(1, len(stream) + 1):
        parser = wire.Parser()
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [frame for chunk in chunks for frame in parser.feed(chunk)] == expected
    assert wire.size(expected[2][1]) == (24, 80)


@pytest.mark.parametrize("garbage", [b"\xff\0\0\0\0", b"\0\xff\xff\xff\xff"])
def test_what_is_no_frame(garbage: bytes) -> None:
    with pytest.raises(ValueError, match=r"Kind|too long"):
        list(wire.Parser().feed(garbage))


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [(errors.CommandNotFound("no x", "install it"), errors.CommandNotFound, "no x (install it)"),
     (_Foreign("theirs"), errors.Conflict, "theirs"),
     (OSError(28, "full"), errors.SampanError, "internal error: OSError: [Errno 28] full")],
)
def test_errors_arrive_as_what_they_were(raised: Exception, kind: type[Exception], text: str) -> None:
    arrived = wire.error(wire.failure(raised))
    assert type(arrived) is kind and str(arrived) == text
