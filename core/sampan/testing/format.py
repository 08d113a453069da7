"""Check a snapshot format against the contract: derive from the suite of its kind and give it a ``form``.

``RootfsFormatSuite`` is for formats of root file systems, ``ImageFormatSuite`` for those of images that are read and
written, ``ImageReaderSuite`` for those that are read alone; it also needs ``archive``, which makes one.
"""

from __future__ import annotations

import gc
import io
import os
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest

from sampan.contracts.format import ImageArchive, ImageFormat, RootfsFormat, Saved
from sampan.contracts.origin import Fetched
from sampan.errors import Corrupt, NotFound, SampanError
from sampan.model import descriptor as types
from sampan.model import digest as digests
from sampan.model import reference as references
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.image import Manifest, decode

_OTHERS = (
    b"", b"x", b"{}", b"PK\3\4" + bytes(2000), b"\x7fELF" + bytes(2000), b"#!/bin/sh\n" * 200, b"\1" * 2000,
)


class RootfsFormatSuite:
    """The contract of ``RootfsFormat``."""

    @pytest.fixture
    def form(self) -> RootfsFormat:
        """Return the format; derived classes provide it."""
        raise NotImplementedError("provide a fixture 'form'")

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        """Return a directory with files of every kind."""
        tree = tmp_path / "tree"
        (tree / "directory" / "deep").mkdir(parents=True)
        (tree / "file").write_bytes(b"content" * 1000)
        (tree / "empty").touch()
        (tree / "noise").write_bytes(os.urandom(1 << 16))  # what breaks off is content, however well the format packs
        os.chown(tree / "file", 1234, 70000)
        (tree / "file").chmod(0o4751)
        os.link(tree / "file", tree / "directory" / "hard")
        (tree / "soft").symlink_to("/not/there")
        os.mkfifo(tree / "directory" / "fifo")
        os.setxattr(tree / "file", "user.note", b"\0 kept")
        (tree / ("long" * 60)).write_bytes(b"of a long name")
        os.utime(tree / "file", ns=(1, 981173106_123456789))
        return tree

    def test_recognizes_what_it_writes(self, form: RootfsFormat, tree: Path) -> None:
        """The first 1024 bytes of what ``write`` writes are recognized."""
        assert form.recognizes(_written(form, tree)[:1024])

    @pytest.mark.parametrize("content", _OTHERS)
    def test_recognizes_nothing_else(self, form: RootfsFormat, content: bytes) -> None:
        """Other kinds of files are not recognized, and short ones do no harm."""
        assert not form.recognizes(content[:1024])

    def test_tree_survives(self, form: RootfsFormat, tree: Path) -> None:
        """Owners, modes, times, links and extended attributes come back as they were."""
        with form.read(io.BytesIO(_written(form, tree))) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            members = {member.name.removeprefix("./").rstrip("/"): member for member in tar}
        file = next(members[name] for name in ("file", "directory/hard") if members[name].isreg())
        link = next(members[name] for name in ("file", "directory/hard") if members[name].islnk())
        assert (file.size, file.mode & 0o7777, file.uid, file.gid) == (7000, 0o4751, 1234, 70000)
        assert link.linkname.removeprefix("./") == file.name.removeprefix("./")
        assert abs(float(file.mtime) - 981173106.123456789) < 1
        assert file.pax_headers["SCHILY.xattr.user.note"] == "\0 kept"
        assert members["soft"].linkname == "/not/there"
        assert members["directory/fifo"].isfifo() and members["directory/deep"].isdir()
        assert {"empty", "long" * 60} <= set(members)

    def test_content_survives(self, form: RootfsFormat, tree: Path) -> None:
        """Files have their content."""
        with form.read(io.BytesIO(_written(form, tree))) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            contents = {
                member.name.removeprefix("./"): (tar.extractfile(member) or io.BytesIO()).read()
                for member in tar
                if member.isreg()
            }
        assert contents["long" * 60] == b"of a long name" and b"content" * 1000 in contents.values()

    def test_names_stay_inside(self, form: RootfsFormat, tree: Path) -> None:
        """No name in what is written leads out of the tree."""
        with form.read(io.BytesIO(_written(form, tree))) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            assert [name for name in tar.getnames() if name.startswith("/") or ".." in name.split("/")] == []

    def test_a_tree_is_written_alike_each_time(self, form: RootfsFormat, tree: Path) -> None:
        """Nothing but the tree decides what is written, not the clock either."""
        written = _written(form, tree)
        time.sleep(1 - time.time() % 1)  # formats that tell when they were written tell the second
        assert _written(form, tree) == written

    def test_a_broken_file_is_noticed(self, form: RootfsFormat, tree: Path) -> None:
        """What breaks off in the middle of a file is Corrupt, at the latest when the stream has been read."""
        from sampan.layers.reader import Reader

        whole = _written(form, tree)
        with pytest.raises(Corrupt), form.read(io.BytesIO(whole[: len(whole) // 4])) as stream:
            for _ in Reader(stream):
                pass


class ImageReaderSuite:
    """The contract of ``ImageFormat``, but for ``save``."""

    @pytest.fixture
    def form(self) -> ImageFormat:
        """Return the format; derived classes provide it."""
        raise NotImplementedError("provide a fixture 'form'")

    def archive(self, form: ImageFormat, images: Sequence[Saved], blobs: Blobs, directory: Path) -> Path:
        """Make an archive of these images in ``directory``; derived classes provide it for formats that only read."""
        raise NotImplementedError("provide a method 'archive'")

    @pytest.fixture
    def made(self, form: ImageFormat, tmp_path: Path) -> Made:
        """Return an archive of three images: with two names; without any, sharing a layer; without layers."""
        blobs = Blobs()
        images = (
            blobs.image("example.org/team/one:1", "two:latest", layers=(b"lower" * 5000, b"upper" * 70000)),
            blobs.image(layers=(b"lower" * 5000,)),
            blobs.image("empty:1", layers=()),
        )
        return Made(self.archive(form, images, blobs, tmp_path), images, blobs)

    def test_holds_its_own(self, form: ImageFormat, made: Made) -> None:
        """An archive of the format is recognized, also when it is reached by a descriptor."""
        assert form.holds(str(made.path))
        with _descriptor(made.path) as path:
            assert form.holds(path)

    @pytest.mark.parametrize("content", _OTHERS)
    def test_holds_nothing_else(self, form: ImageFormat, tmp_path: Path, content: bytes) -> None:
        """Other files are not recognized."""
        (tmp_path / "other").write_bytes(content)
        assert not form.holds(str(tmp_path / "other"))

    def test_holds_no_other_archives(self, form: ImageFormat, tmp_path: Path) -> None:
        """A tar archive of something else is not recognized, nor is a directory of something else."""
        with tarfile.open(tmp_path / "other.tar", "w") as tar:
            tar.addfile(tarfile.TarInfo("file"))
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "file").touch()
        assert not form.holds(str(tmp_path / "other.tar"))
        assert not form.holds(str(tmp_path / "other"))

    def test_images_are_listed(self, form: ImageFormat, made: Made) -> None:
        """Every image is there, in order, under its names."""
        with form.open(str(made.path)) as archive:
            found = [{references.parse(name) for name in image.names} for image in archive.images()]
        assert found == [set(image.names) for image in made.images]

    def test_documents_survive(self, form: ImageFormat, made: Made) -> None:
        """A manifest comes back as it was, described by its digest and size."""
        with form.open(str(made.path)) as archive:
            for image, listed in zip(made.images, archive.images(), strict=True):
                assert archive.manifest(listed.version) == image.manifest
                assert archive.manifest(image.manifest.descriptor.digest) == image.manifest

    def test_blobs_survive(self, form: ImageFormat, made: Made) -> None:
        """Configurations and layers come back as they were."""
        with form.open(str(made.path)) as archive:
            for descriptor in made.parts():
                assert _read(archive, descriptor) == made.blobs.contents[descriptor.digest]

    def test_blobs_side_by_side(self, form: ImageFormat, made: Made) -> None:
        """Blobs may be read in turn, and from several threads at once."""
        largest = max(made.parts(), key=lambda part: part.size)
        with form.open(str(made.path)) as archive, archive.blob(largest) as chunks:
            begin = next(chunks)
            for descriptor in made.parts():
                _read(archive, descriptor)
            assert begin + b"".join(chunks) == made.blobs.contents[largest.digest]
        with form.open(str(made.path)) as archive, ThreadPoolExecutor(8) as pool:
            wanted = made.parts() * 8
            found = list(pool.map(lambda descriptor: _read(archive, descriptor), wanted))
        assert found == [made.blobs.contents[descriptor.digest] for descriptor in wanted]

    def test_a_blob_left_early(self, form: ImageFormat, made: Made) -> None:
        """A blob may be given up after any chunk, or before the first."""
        with form.open(str(made.path)) as archive:
            largest = max(made.parts(), key=lambda part: part.size)
            with archive.blob(largest):
                pass
            with archive.blob(largest) as chunks:
                next(chunks)
            assert _read(archive, largest) == made.blobs.contents[largest.digest]

    def test_no_descriptor_stays_open(self, form: ImageFormat, made: Made) -> None:
        """What was opened is closed again, also of blobs that were given up."""
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with form.open(str(made.path)) as archive, archive.blob(made.parts()[-1]) as chunks:
                next(chunks)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before

    def test_what_is_not_there(self, form: ImageFormat, made: Made) -> None:
        """An unknown version or blob is NotFound, whatever it looks like."""
        absent = Descriptor(types.OCI_LAYER, digests.of(b"absent"), 6)
        with form.open(str(made.path)) as archive:
            for version in (absent.digest, "latest", "../../etc/passwd", "/etc/passwd"):
                with pytest.raises(NotFound):
                    archive.manifest(version)
            with pytest.raises(NotFound), archive.blob(absent):
                pass

    def test_wrong_size_is_noticed(self, form: ImageFormat, made: Made) -> None:
        """A blob that is not as long as its descriptor says is an error, at the latest at its end."""
        with form.open(str(made.path)) as archive:
            right = made.parts()[0]
            for size in (right.size - 1, right.size + 1):
                with pytest.raises(SampanError):
                    _read(archive, Descriptor(right.media_type, right.digest, size))


class ImageFormatSuite(ImageReaderSuite):
    """The contract of ``ImageFormat``."""

    def archive(self, form: ImageFormat, images: Sequence[Saved], blobs: Blobs, directory: Path) -> Path:
        """Let the format write it."""
        path = directory / "archive"
        with path.open("wb") as out:
            form.save(images, blobs.open, out)
        return path

    def test_same_images_same_bytes(self, form: ImageFormat, made: Made) -> None:
        """What is written depends on nothing but the images."""
        out = io.BytesIO()
        form.save(made.images, made.blobs.open, out)
        assert out.getvalue() == made.path.read_bytes()

    def test_writes_to_a_pipe(self, form: ImageFormat, made: Made) -> None:
        """The output may be a pipe, whose reader is slow."""
        reading, writing = os.pipe()

        def write() -> None:
            with open(writing, "wb") as out:
                form.save(made.images, made.blobs.open, out)

        thread = threading.Thread(target=write)
        thread.start()
        with open(reading, "rb") as source:
            assert source.read() == made.path.read_bytes()
        thread.join()

    def test_appends_to_a_file(self, form: ImageFormat, made: Made, tmp_path: Path) -> None:
        """What the file held before stays, and the archive follows it."""
        with open(tmp_path / "file", "ab") as out:
            out.write(b"before")
            form.save(made.images, made.blobs.open, out)
        assert (tmp_path / "file").read_bytes() == b"before" + made.path.read_bytes()

    def test_shared_blobs_are_written_once(self, form: ImageFormat, tmp_path: Path) -> None:
        """A layer that two images have in common takes its room once, and is opened once."""
        blobs = Blobs()
        layer = os.urandom(1 << 20)
        images = [blobs.image(name, layers=(layer,)) for name in ("one:1", "two:1")]
        assert self.archive(form, images, blobs, tmp_path).stat().st_size < len(layer) * 3 // 2
        assert blobs.opened.count(digests.of(layer)) == 1

    def test_blobs_are_closed(self, form: ImageFormat, made: Made) -> None:
        """Every blob that was opened is closed again."""
        assert made.blobs.files and all(file.closed for file in made.blobs.files)

    def test_a_broken_archive_is_noticed(self, form: ImageFormat, made: Made, tmp_path: Path) -> None:
        """Wherever an archive breaks off, reading it through is an error, Corrupt or NotFound."""
        whole = made.path.read_bytes()
        end = len(whole.rstrip(b"\0"))
        for cut in (end // 100, end // 3, end // 2, end - end // 100):
            broken = tmp_path / f"cut-{cut}"
            broken.write_bytes(whole[:cut])
            with pytest.raises((Corrupt, NotFound)), form.open(str(broken)) as archive:
                for image in archive.images():
                    archive.manifest(image.version)
                for descriptor in made.parts():
                    _read(archive, descriptor)


class Blobs:
    """A store in memory. ``opened`` are the digests that were asked for, ``files`` what was given."""

    def __init__(self) -> None:
        self.contents: dict[Digest, bytes] = {}
        self.opened: list[Digest] = []
        self.files: list[BinaryIO] = []

    def add(self, media_type: str, content: bytes) -> Descriptor:
        """Keep content, and describe it."""
        digest = digests.of(content)
        self.contents[digest] = content
        return Descriptor(media_type, digest, len(content))

    def image(self, *names: str, layers: Sequence[bytes]) -> Saved:
        """Make an image of these layers, which need not be archives, lowest first."""
        document: dict[str, Any] = {
            "architecture": "amd64", "os": "linux", "author": " ".join(names),
            "rootfs": {"type": "layers", "diff_ids": [digests.of(layer) for layer in layers]},
        }
        content = msgspec.json.encode(document)
        config = self.add(types.OCI_CONFIG, content)
        manifest = msgspec.json.encode({
            "schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": config,
            "layers": [self.add(types.OCI_LAYER, layer) for layer in layers],
        })
        described = self.add(types.OCI_MANIFEST, manifest)
        return Saved(tuple(map(references.parse, names)), Fetched(described, manifest), Fetched(config, content))

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob as a regular file."""
        import tempfile

        self.opened.append(digest)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.contents[digest])
            file.flush()
            self.files.append(open(file.name, "rb"))  # noqa: SIM115  # the caller's to close
        return self.files[-1]


class Made(msgspec.Struct, frozen=True):
    """An archive and what is in it."""

    path: Path
    images: tuple[Saved, ...]
    blobs: Blobs

    def parts(self) -> list[Descriptor]:
        """Return the configurations and layers of all images."""
        manifests = [decode(image.manifest.content, Manifest, "manifest") for image in self.images]
        return [part for manifest in manifests for part in (manifest.config, *manifest.layers)]


@contextmanager
def _descriptor(path: Path) -> Iterator[str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _read(archive: ImageArchive, descriptor: Descriptor) -> bytes:
    with archive.blob(descriptor) as chunks:
        return b"".join(chunks)


def _written(form: RootfsFormat, tree: Path) -> bytes:
    out = io.BytesIO()
    form.write(str(tree), out)
    return out.getvalue()
