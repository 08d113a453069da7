"""Sparse files: as GNU tar writes them in each of its forms, and as nobody should."""

import io
import os
import subprocess

import pytest
from tests.services.archives import REGULAR, archive, header, member, padded, record, sealed

from sampan.errors import Corrupt, SampanError
from sampan.layers import extract, whiteouts


def old(pieces, size, stored, *, more=b"", extended=False):
    """A header of GNU's type S, and what follows it."""
    block = bytearray(header(b"f", b"S", 0o644, size=stored, magic=b"ustar  \0"))
    for index, (offset, length) in enumerate(pieces):
        block[386 + 24 * index:410 + 24 * index] = b"%011o\0%011o\0" % (offset, length)
    block[482] = extended
    block[483:495] = b"%011o\0" % size
    return sealed(block) + more


def records(major, minor, pieces, size, content, **more):
    """A sparse file in a PAX form."""
    found = {b"GNU.sparse.major": major, b"GNU.sparse.minor": minor, b"GNU.sparse.name": b"f"}
    if major == b"1":
        found[b"GNU.sparse.realsize"] = b"%d" % size
        numbers = [len(pieces), *(number for piece in pieces for number in piece)]
        content = padded(b"".join(b"%d\n" % number for number in numbers)) + content
    else:
        found[b"GNU.sparse.size"] = b"%d" % size
        found[b"GNU.sparse.numblocks"] = b"%d" % len(pieces)
        found[b"GNU.sparse.map"] = b",".join(b"%d,%d" % piece for piece in pieces)
    found.update({key.encode().replace(b"_", b"."): value for key, value in more.items()})
    return member(b"GNUSparseFile.0/f", content, REGULAR, pax=found)


def extracted(content, root):
    size = extract.extract(io.BytesIO(content), str(root), whiteouts.Remove())
    return size, (root / "f").read_bytes()


@pytest.mark.parametrize("form", ["gnu", "0.0", "0.1", "1.0"])
@pytest.mark.parametrize("pieces", [[], [0], [1], [0, 3], [2, 5, 6, 40], list(range(1, 200, 2))])
@pytest.mark.parametrize("end", [0, 777])
def test_as_gnu_tar_writes_them(tmp_path, form, pieces, end):
    if form == "gnu" and not pieces and not end:
        return
    source, root = tmp_path / "f", tmp_path / "root"
    root.mkdir()
    with open(source, "wb") as file:
        for piece in pieces:
            os.pwrite(file.fileno(), b"%d" % piece * 300, piece * 65536 + 4096)
        os.ftruncate(file.fileno(), 200 * 65536 + end)
    options = ["--format=gnu"] if form == "gnu" else ["--format=pax", f"--sparse-version={form}"]
    content = subprocess.check_output(["tar", "-C", tmp_path, "-S", *options, "-c", "f"])
    assert len(content) < 64 * 1024 + len(pieces) * 8192
    size, found = extracted(content + archive(member(b"after", b"x")), root)
    assert found == source.read_bytes()
    assert size == len(found)
    assert (root / "f").stat().st_blocks <= source.stat().st_blocks, "holes stay holes"
    assert (root / "f").stat().st_mtime_ns // 10**9 == source.stat().st_mtime_ns // 10**9


def test_what_follows_is_found(tmp_path):
    content = old([(512, 3)], 4096, 3) + padded(b"abc") + member(b"after", b"x")
    content += records(b"1", b"0", [(5, 2)], 9, b"xy").replace(b"f\n", b"g\n") + member(b"last", b"y")
    extract.extract(io.BytesIO(content), str(tmp_path), whiteouts.Remove())
    assert (tmp_path / "f").read_bytes() == bytes(512) + b"abc" + bytes(4096 - 515)
    assert (tmp_path / "g").read_bytes() == bytes(5) + b"xy" + bytes(2)
    assert (tmp_path / "after").read_bytes() + (tmp_path / "last").read_bytes() == b"xy"


@pytest.mark.parametrize("content", [
    old([(0, 3)], 10, 3).replace(b"ustar  \0", b"ustar\x0000"),
    old([(0, 4)], 10, 3), old([(0, 2)], 10, 3), old([(8, 3)], 10, 3), old([(5, 1), (0, 2)], 10, 3),
    old([(0, 2), (1, 1)], 10, 3), old([(0, 3)], 10, 3, extended=True),
    old([(0, 3)], 10, 3, extended=True, more=b"\xff" * 512),
    records(b"0", b"1", [(0, 3)], 10, b"abc", GNU_sparse_numblocks=b"2"),
    records(b"0", b"1", [(0, 3)], 10, b"abc", GNU_sparse_numblocks=b"-1"),
    records(b"0", b"1", [(0, 3)], 10, b"abc", GNU_sparse_numblocks=b"9" * 18),
    records(b"0", b"1", [(0, 3)], 10, b"abc", GNU_sparse_map=b"0,x"),
    records(b"0", b"1", [(0, 3)], 10, b"abc", GNU_sparse_map=b"0,3,9"),
    records(b"0", b"1", [(0, 3)], 2, b"abc"), records(b"0", b"1", [(0, 3)], 10, b"abcd"),
    records(b"1", b"0", [(0, 3)], 10, b"ab"), records(b"1", b"0", [(4, 3), (0, 2)], 10, b"abcde"),
    records(b"1", b"0", [(0, 3)], 10, b"abc", GNU_sparse_realsize=b"9" * 30),
    records(b"1", b"0", [(10**17, 3)], 10**17, b"abc"),
    member(b"f", b"9" * 512 * 4, pax={b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}),
    member(b"f", b"999999999\n" + b"1\n" * 999, pax={b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}),
    member(b"f", b"3\n0\n", pax={b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}),
    member(b"f", b"", pax={b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}),
    member(b"f", b"", b"5", pax={b"GNU.sparse.map": b"0,0", b"GNU.sparse.numblocks": b"1"}),
])  # fmt: skip
def test_maps_that_make_no_sense(tmp_path, content):
    with pytest.raises(Corrupt):
        extract.extract(io.BytesIO(archive(content, padded(b"abc"))), str(tmp_path), whiteouts.Remove())


@pytest.mark.parametrize("keywords", [
    [b"numbytes", b"offset"], [b"offset", b"offset"], [b"offset", b"numbytes", b"offset"], [b"offset"],
])
def test_pairs_out_of_order(tmp_path, keywords):
    content = b"".join(record(b"GNU.sparse." + keyword, b"0") for keyword in keywords)
    content += record(b"GNU.sparse.numblocks", b"1") + record(b"GNU.sparse.size", b"5")
    content = header(b"x", b"x", 0o644, size=len(content)) + padded(content) + member(b"f")
    with pytest.raises(Corrupt):
        extract.extract(io.BytesIO(archive(content)), str(tmp_path), whiteouts.Remove())


@pytest.mark.parametrize("version", [{b"GNU.sparse.major": b"7"}, {b"GNU.sparse.name": b"x"}])
def test_unknown_forms_are_plain_files(tmp_path, version):
    assert extracted(archive(member(b"f", b"abc", pax=version)), tmp_path) == (3, b"abc")


def test_a_file_larger_than_any_disk(tmp_path):
    content = archive(records(b"0", b"1", [(2**40, 1)], 2**40 + 1, b"x"))
    assert extract.extract(io.BytesIO(content), str(tmp_path), whiteouts.Remove()) == 2**40 + 1
    assert (tmp_path / "f").stat().st_blocks <= 16
    with pytest.raises(SampanError):
        too_large = archive(records(b"0", b"1", [], 2**59, b""))
        extract.extract(io.BytesIO(too_large), str(tmp_path), whiteouts.Remove())


def test_endless_maps_are_refused(tmp_path):
    content = old([], 0, 0, extended=True) + (b"00000000000\0" * 42 + b"\1" + bytes(7)) * 3000
    with pytest.raises(Corrupt, match="pieces"):
        extract.extract(io.BytesIO(content), str(tmp_path), whiteouts.Remove())


def test_other_records_still_count(tmp_path):
    extracted(archive(records(b"1", b"0", [(0, 1)], 3, b"x", mtime=b"7.25")), tmp_path)
    assert (tmp_path / "f").stat().st_mtime == 7.25
