"""The bundled formats keep the contract; formats that break it are caught."""

import io
import os
import tarfile

import msgspec
import pytest

from sampan.contracts.format import Archived
from sampan.contracts.origin import Fetched
from sampan.errors import NotFound, Unsupported
from sampan.testing.format import Blobs, ImageFormatSuite, ImageReaderSuite
from sampan_plugins.formats.archives import contents, files, writing
from sampan_plugins.formats.archives.driver import DockerArchive, OCIArchive, OCIDirectory


class TestDockerArchive(ImageFormatSuite):
    @pytest.fixture
    def form(self):
        return DockerArchive()


class TestOCIArchive(ImageFormatSuite):
    @pytest.fixture
    def form(self):
        return OCIArchive()


class TestOCIDirectory(ImageReaderSuite):
    @pytest.fixture
    def form(self):
        return OCIDirectory()

    def archive(self, form, images, blobs, directory):
        out = io.BytesIO()
        OCIArchive().save(images, blobs.open, out)
        out.seek(0)
        with tarfile.open(fileobj=out) as tar:
            tar.extractall(directory / "layout", filter="data")
        return directory / "layout"

    def test_it_is_not_written(self, form):
        with pytest.raises(Unsupported, match="a directory cannot be written as one file"):
            form.save([], Blobs().open, io.BytesIO())


def forgets_names(monkeypatch):
    monkeypatch.setattr(writing._Writing, "_entries", lambda self, image: [image.manifest.descriptor])


def reverses_images(monkeypatch):
    monkeypatch.setattr(contents.Contents, "images", lambda self: self.found[::-1])


def encodes_manifests_anew(monkeypatch):
    whole = contents.Contents.manifest

    def manifest(self, version):
        found = whole(self, version)
        return Fetched(found.descriptor, msgspec.json.format(found.content))

    monkeypatch.setattr(contents.Contents, "manifest", manifest)


def dates_its_members(monkeypatch):
    import itertools

    from sampan.layers import writer

    times = itertools.count(1_700_000_000)
    monkeypatch.setattr(writer._Writer, "plain", lambda self, path, kind, mode, size: self._put(
        path, kind, mode, 0, 0, size, next(times) * 10**9, b"", 0, {}))


def leaves_blobs_open(monkeypatch):
    monkeypatch.setattr(Blobs, "open", unclosed(Blobs.open))


def unclosed(function):
    def opened(self, digest):
        file = function(self, digest)
        self.files.append(os.fdopen(os.dup(file.fileno()), "rb"))  # one that nobody closes
        return file

    return opened


def takes_anything(monkeypatch):
    monkeypatch.setattr(OCIArchive, "holds", lambda self, path: True)


def ignores_sizes(monkeypatch):
    from contextlib import contextmanager

    @contextmanager
    def blob(self, descriptor):
        with self.files.part(contents.place(descriptor.digest)) as part:
            yield part.chunks()

    monkeypatch.setattr(contents.Contents, "blob", blob)


def shares_its_position(monkeypatch):
    def chunks(self):
        os.lseek(self.descriptor, self.offset, os.SEEK_SET)
        left = self.size
        while left and (chunk := os.read(self.descriptor, min(left, 4096))):
            left -= len(chunk)
            yield chunk

    monkeypatch.setattr(files.Part, "chunks", chunks)


def makes_up_what_is_missing(monkeypatch):
    whole = contents.Contents.manifest

    def manifest(self, version):
        try:
            return whole(self, version)
        except NotFound:
            return whole(self, self.found[0].version)

    monkeypatch.setattr(contents.Contents, "manifest", manifest)


def lists_what_was_never_there(monkeypatch):
    monkeypatch.setattr(contents.Contents, "images", lambda self: [*self.found, Archived((), "none")])


BROKEN = {
    forgets_names: "test_images_are_listed",
    reverses_images: "test_images_are_listed",
    lists_what_was_never_there: "test_images_are_listed",
    encodes_manifests_anew: "test_documents_survive",
    dates_its_members: "test_same_images_same_bytes",
    leaves_blobs_open: "test_blobs_are_closed",
    takes_anything: "test_holds_no_other_archives",
    ignores_sizes: "test_wrong_size_is_noticed",
    shares_its_position: "test_blobs_side_by_side",
    makes_up_what_is_missing: "test_what_is_not_there",
}


@pytest.mark.parametrize(("breaks", "test"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_the_suite_catches_a_format_that(breaks, test, monkeypatch, tmp_path):
    breaks(monkeypatch)
    suite, form = TestOCIArchive(), OCIArchive()
    made = ImageFormatSuite.made.__wrapped__(suite, form, tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        given = {"tmp_path": tmp_path} if test == "test_holds_no_other_archives" else {"made": made}
        getattr(suite, test)(form, **given)
    for file in made.blobs.files:
        file.close()


