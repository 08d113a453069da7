"""Read and write images as archives: Docker's own, and OCI image layouts in a tar or a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from sampan.contracts.format import ImageArchive, ImageFormat, OpenBlob, Saved
from sampan.errors import Corrupt, InvalidInput, NotFound, Unsupported
from sampan_plugins.formats.archives import docker, layout, legacy
from sampan_plugins.formats.archives.contents import Contents
from sampan_plugins.formats.archives.files import Archive, Directory, Files


class _Files(ImageFormat):
    """What the three have in common: opening, and telling by the files that are there."""

    directory = False

    def holds(self, path: str) -> bool:
        """Tell by the files that every archive of the format has."""
        try:
            with _opened(path, self.directory) as files:
                return self._present(files)
        except InvalidInput:
            return False

    @contextmanager
    def open(self, path: str) -> Iterator[ImageArchive]:
        """Open an archive."""
        with _opened(path, self.directory) as files:
            try:
                files.check()
                contents = self._read(files)
            except NotFound as error:
                raise Corrupt(error.message) from error
            yield contents

    def _present(self, files: Files) -> bool:
        return layout.present(files)

    def _read(self, files: Files) -> Contents:
        return layout.read(files)


class DockerArchive(_Files):
    """What ``docker save`` writes since 25.0, an OCI layout with a manifest.json; what it wrote before is read."""

    def save(self, images: Sequence[Saved], blobs: OpenBlob, out: BinaryIO) -> None:
        """Write an archive."""
        from sampan_plugins.formats.archives.writing import write

        write(images, blobs, out, for_docker=True)

    def _present(self, files: Files) -> bool:
        return docker.present(files) or legacy.present(files)

    def _read(self, files: Files) -> Contents:
        return legacy.read(files) if legacy.present(files) else docker.read(files)


class OCIArchive(_Files):
    """An OCI image layout as a tar archive."""

    def save(self, images: Sequence[Saved], blobs: OpenBlob, out: BinaryIO) -> None:
        """Write an archive."""
        from sampan_plugins.formats.archives.writing import write

        write(images, blobs, out, for_docker=False)


class OCIDirectory(_Files):
    """An OCI image layout as a directory, which is read only."""

    directory = True

    def save(self, images: Sequence[Saved], blobs: OpenBlob, out: BinaryIO) -> None:
        """Refuse: a directory is not a stream."""
        raise Unsupported("a directory cannot be written as one file", "save as oci-archive, and unpack that with tar")


@contextmanager
def _opened(path: str, directory: bool) -> Iterator[Files]:
    """Open a path of either kind. Raises InvalidInput when it is of the other."""
    if os.path.isdir(path) != directory:
        raise InvalidInput(f"the input is {'no' if directory else 'a'} directory")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield Directory(descriptor) if directory else Archive(descriptor)
    finally:
        os.close(descriptor)
