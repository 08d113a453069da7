from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sampan.errors import Corrupt, NotFound, OutOfSpace
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest, of
from sampan.store import owner
from sampan.store.store import Store


def temporaries(store: Store) -> list[str]:
    return os.listdir(store.layout.temporary)


def test_put_and_read(store: Store) -> None:
    digest = store.blobs.put(b"content")
    assert digest == of(b"content")
    assert store.blobs.put(b"content") == digest
    assert store.blobs.read(digest) == b"content"
    assert store.blobs.size(digest) == 7
    assert temporaries(store) == []


def test_a_blob_that_is_not_here(store: Store) -> None:
    digest = of(b"never stored")
    assert not store.blobs.has(digest)
    for ask in (store.blobs.read, store.blobs.size, store.blobs.open):
        with pytest.raises(NotFound, match="no such blob"):
            ask(digest)
    store.blobs.remove(digest)


def test_ingest_tells_of_each_chunk(store: Store) -> None:
    descriptor = Descriptor("", of(b"abcdef"), 6)
    assert list(store.blobs.ingest(descriptor, [b"abc", b"", b"def"])) == [3, 0, 3]
    assert store.blobs.read(descriptor.digest) == b"abcdef"


@pytest.mark.parametrize(
    ("size", "content", "message"),
    [
        (6, b"abcdeX", "does not match its digest"),
        (5, b"abcdef", "longer than the 5 bytes promised"),
        (7, b"abcdef", "has 6 bytes instead of the 7 promised"),
    ],
)
def test_ingest_keeps_nothing_that_is_not_what_was_promised(
    store: Store, size: int, content: bytes, message: str
) -> None:
    digest = of(b"abcdef")
    with pytest.raises(Corrupt, match=message):
        list(store.blobs.ingest(Descriptor("", digest, size), [content[:3], content[3:]]))
    assert not store.blobs.has(digest)
    assert temporaries(store) == []


def test_ingest_checks_sha512(store: Store) -> None:
    import hashlib

    digest = Digest("sha512:" + hashlib.sha512(b"abc").hexdigest())
    list(store.blobs.ingest(Descriptor("", digest, 3), [b"abc"]))
    assert store.blobs.read(digest) == b"abc"


def test_a_download_that_breaks_off_leaves_nothing(store: Store) -> None:
    def chunks():  # type: ignore[no-untyped-def]
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(store.blobs.ingest(Descriptor("", of(b"abcdef"), 6), chunks()))
    assert temporaries(store) == []


def test_what_was_received_so_far_can_be_read(store: Store) -> None:
    with store.blobs.receive(Descriptor("", of(b"abcdef"), 6)) as incoming:
        incoming.write(b"abc")
        assert Path(f"/proc/self/fd/{incoming.fileno()}").read_bytes() == b"abc"
        assert not store.blobs.has(of(b"abcdef"))
        incoming.write(b"def")
        incoming.finish()
    assert store.blobs.read(of(b"abcdef")) == b"abcdef"


def test_a_full_disk_is_out_of_space(store: Store) -> None:
    def full():  # type: ignore[no-untyped-def]
        yield b"abc"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutOfSpace, match="no space left on the file system of"):
        list(store.blobs.ingest(Descriptor("", of(b"abcdef"), 6), full()))
    assert temporaries(store) == []


def test_sweep_spares_what_living_processes_write(store: Store, tmp_path: Path) -> None:
    mine = owner.current().replace("/", "_")
    boot, pid, began = mine.split("_")
    dead = f"{boot}_{pid}_{int(began) + 1}"  # another process with the same number
    for name in (f"{dead}@aa", f"{mine}@bb", "strange"):
        Path(store.layout.temporary, name).touch()
    store.blobs.sweep()
    assert temporaries(store) == [f"{mine}@bb"]
