import bz2
import gzip
import io
import lzma
import random

import pytest
import zstandard

from sampan.errors import Corrupt
from sampan.layers import compression

CONTENT = random.Random(3).randbytes(300_000) + bytes(2_000_000)
ZSTD = zstandard.ZstdCompressor()
PACK = {
    "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": ZSTD.compress,
    "zstd streamed": lambda content: b"".join((c := ZSTD.compressobj(), c.compress(content) + c.flush())[1:]),
}


def opened(content):
    return compression.open_stream(io.BytesIO(content))


@pytest.mark.parametrize("pack", PACK)
def test_whole(pack):
    assert opened(PACK[pack](CONTENT)).read() == CONTENT


@pytest.mark.parametrize("pack", PACK)
def test_members_one_after_the_other(pack):
    assert opened(PACK[pack](CONTENT) + PACK[pack](b"") + PACK[pack](b"end")).read() == CONTENT + b"end"


@pytest.mark.parametrize("pack", PACK)
def test_zeros_may_follow(pack):
    assert opened(PACK[pack](b"content") + bytes(2048)).read() == b"content"


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_truncated(pack, kept):
    packed = PACK[pack](CONTENT)
    with pytest.raises(Corrupt):
        opened(packed[: int(len(packed) * kept)]).read()


@pytest.mark.parametrize("pack", PACK)
def test_garbage_after_the_end(pack):
    with pytest.raises(Corrupt):
        opened(PACK[pack](b"content") + b"garbage" * 10).read()


@pytest.mark.parametrize("pack", ["gzip", "bzip2", "xz"])
def test_flipped_bit(pack):
    packed = bytearray(PACK[pack](CONTENT))
    packed[len(packed) // 2] ^= 4
    with pytest.raises(Corrupt):
        opened(bytes(packed)).read()


@pytest.mark.parametrize("content", [b"", b"x", b"plain content", CONTENT])
def test_plain(content):
    assert opened(content).read() == content


def test_a_skippable_frame_first():
    assert opened(b"\x50\x2a\x4d\x18\x02\0\0\0ab" + ZSTD.compress(b"content")).read() == b"content"


def test_reading_in_parts():
    stream = opened(PACK["gzip"](CONTENT))
    assert stream.read(10) == CONTENT[:10]
    assert stream.read(0) == b""
    buffer = bytearray(20)
    assert stream.readinto(buffer) == 20
    assert buffer == CONTENT[10:30]
    assert stream.read() == CONTENT[30:]
    assert stream.read(1) == b""


def test_pieces_stay_small_whatever_they_inflate_to():
    stream = opened(gzip.compress(bytes(50_000_000)))
    assert max(map(len, iter(stream.read1, b""))) <= 1 << 20
