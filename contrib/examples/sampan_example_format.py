"""Save images to zip files, and load them: a member for each blob, the manifests with their names as the comment."""

import contextlib
import io
import os
import zipfile

from sampan import hookimpl
from sampan.contracts.format import Archived, ImageArchive, ImageFormat
from sampan.contracts.origin import Fetched
from sampan.errors import Corrupt, InvalidInput, NotFound
from sampan.model.descriptor import OCI_MANIFEST, Descriptor
from sampan.model.image import Manifest, decode


class Zip(ImageFormat):
    def holds(self, path):
        return os.path.isfile(path) and zipfile.is_zipfile(path)

    def save(self, images, blobs, out):
        contents = {}
        for image in images:
            contents |= {one.descriptor.digest: one.content for one in (image.manifest, image.config)}
            for layer in decode(image.manifest.content, Manifest, "a manifest").layers:
                if layer.digest not in contents:
                    with blobs(layer.digest) as file:
                        contents[layer.digest] = file.read()
        whole = io.BytesIO()  # zip files are written differently to pipes
        with zipfile.ZipFile(whole, "w") as archive:
            for digest in sorted(contents):
                archive.writestr(zipfile.ZipInfo(digest), contents[digest])
            lines = (" ".join([image.manifest.descriptor.digest, *map(str, image.names)]) for image in images)
            archive.comment = "\n".join(lines).encode()
        out.write(whole.getvalue())

    @contextlib.contextmanager
    def open(self, path):
        try:
            with zipfile.ZipFile(path) as archive:
                yield Opened(archive)
        except zipfile.BadZipFile as error:
            raise Corrupt(f"the archive is damaged: {error}") from error


class Opened(ImageArchive):
    def __init__(self, archive):
        self.archive = archive

    def images(self):
        lines = [line.split() for line in self.archive.comment.decode().splitlines()]
        return [Archived(tuple(names), version) for version, *names in lines]

    def manifest(self, version):
        return Fetched(Descriptor(OCI_MANIFEST, version, len(content := self._read(version))), content)

    @contextlib.contextmanager
    def blob(self, descriptor):
        content = self._read(descriptor.digest)
        if len(content) != descriptor.size:
            raise Corrupt(f"{descriptor.digest} has {len(content)} bytes")
        yield iter([content])

    def _read(self, digest):
        try:
            return self.archive.read(digest)
        except KeyError as error:
            raise NotFound(f"the archive has no {digest}") from error


@hookimpl
def sampan_open_format(options):
    if options:
        raise InvalidInput("the format takes no options")
    return Zip()
