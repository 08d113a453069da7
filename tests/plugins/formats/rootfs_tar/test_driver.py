import bz2
import gzip
import io
import lzma
import subprocess

import pytest
import zstandard

from sampan.errors import Corrupt, InvalidInput
from sampan_plugins.formats.rootfs_tar import plugin
from sampan_plugins.formats.rootfs_tar.driver import RootfsTar

PACK = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress,
        "zstd": zstandard.ZstdCompressor().compress}


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "d" / "f").write_text("content")
    out = io.BytesIO()
    RootfsTar().write(str(tmp_path / "tree"), out)
    return out.getvalue()


@pytest.mark.parametrize("pack", PACK)
def test_reads_what_it_recognizes(archive, pack):
    packed = PACK[pack](archive)
    assert RootfsTar().recognizes(packed[:1024])
    with RootfsTar().read(io.BytesIO(packed)) as stream:
        assert stream.read() == archive


def test_writes_what_tar_reads(archive):
    listing = subprocess.run(["tar", "-t"], input=archive, capture_output=True, check=True).stdout
    assert listing == b"d/\nd/f\n"


@pytest.mark.parametrize("head", [b"", b"x", b"PK\3\4", b"\x7fELF" + bytes(1020), b"#!/bin/sh\n" * 100])
def test_does_not_recognize_anything_else(head):
    assert not RootfsTar().recognizes(head)


def test_recognizes_an_empty_archive():
    assert RootfsTar().recognizes(bytes(1024))


def test_says_when_it_breaks_off(archive):
    with RootfsTar().read(io.BytesIO(gzip.compress(archive)[:-20])) as stream, pytest.raises(Corrupt):
        stream.read()


def test_unknown_options_are_refused():
    with pytest.raises(InvalidInput, match="'level' for formats/rootfs-tar"):
        plugin.sampan_open_format(name="rootfs-tar", options={"level": 1})
    assert isinstance(plugin.sampan_open_format(name="rootfs-tar", options={}), RootfsTar)
    assert plugin.sampan_plugin_info(slot="formats", name="rootfs-tar").summary
