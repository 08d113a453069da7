import io
import tarfile

import pytest

from sampan.errors import Corrupt
from sampan.layers import pax
from sampan.layers.reader import Reader, is_header
from sampan.testing.storage import Archive


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, content, step):
        self._content, self._step = io.BytesIO(content), step

    def read(self, size=-1):
        return self._content.read(self._step)


@pytest.mark.parametrize("step", [1, 7, 511, 513, 5000])
def test_any_size_of_piece(step):
    archive = Archive().add("a", b"x" * 1000).add("n" * 200, b"").add("b", b"y" * 513)
    stream = Dribble(archive.stream().getvalue(), step)
    found = []
    for entry in (reader := Reader(stream)):
        found.append((entry.name, b"".join(map(bytes, reader.content()))))
    assert found == [(b"a", b"x" * 1000), (b"n" * 200, b""), (b"b", b"y" * 513)]
    assert stream.read() == b"", "read to the end, for the sake of digests"


def test_content_not_asked_for_is_passed_over():
    assert [entry.name for entry in Reader(Archive().add("a", b"x" * 9999).add("b").stream())] == [b"a", b"b"]


def test_the_last_padding_may_be_missing():
    # umoci insert ends its layers right after the last file's content
    archive = tarfile.TarInfo("one")
    archive.size = 3
    (entry,) = Reader(io.BytesIO(archive.tobuf() + b"one"))
    assert (entry.name, entry.size) == (b"one", 3)


def test_recognizes_headers():
    content = Archive().add("a").stream().getvalue()
    assert is_header(content[:512])
    assert not is_header(content[:511]) and not is_header(b"x" * 512) and not is_header(bytes(512))


@pytest.mark.parametrize("content", [
    b"5", b"x a=b\n", b"99 a=b\n", b"6 a=b", b"7 a-b\n\n", b"0 =\n", b"-6 a=b\n", b"6 =bc\n",
])
def test_damaged_pax_headers(content):
    with pytest.raises(Corrupt):
        pax.parse(content)


def test_pax_records():
    assert pax.parse(b"8 a=b=c\n6 k=\n\n\0\0") == {b"a": b"b=c", b"k": b"\n"}


def test_libarchives_attributes():
    (entry,) = Reader(pax_archive({"LIBARCHIVE.xattr.user.a%25b": "aGk"}))
    assert entry.xattrs == {b"user.a%b": b"hi"}


@pytest.mark.parametrize(("keyword", "value"), [
    ("size", "-1"), ("size", "x"), ("uid", "9" * 30), ("mtime", "1.x"), ("mtime", "nan"), ("GNU.sparse.map", "0,1"),
])
def test_records_that_make_no_sense(keyword, value):
    with pytest.raises(Corrupt):
        list(Reader(pax_archive({keyword: value})))


def pax_archive(records):
    import tarfile

    out = io.BytesIO()
    with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("f")
        member.pax_headers = records
        archive.addfile(member)
    out.seek(0)
    return out
