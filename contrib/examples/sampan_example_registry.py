"""Keep images in a directory that several machines see: PATH/REPOSITORY has manifests and blobs by digest, and tags."""

import contextlib
import os
import re
import tempfile

from sampan import hookimpl
from sampan.contracts.registry import Fetched, Registry
from sampan.errors import Corrupt, InvalidInput, NotFound
from sampan.model import digest as digests
from sampan.model.descriptor import Descriptor

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Shelf(Registry):
    def __init__(self, where):
        self.where = where

    def manifest(self, version):
        media_type, _, content = self._read("manifests", version).partition(b"\n")
        return Fetched(Descriptor(media_type.decode(), digests.of(content), len(content)), content)

    @contextlib.contextmanager
    def blob(self, descriptor):
        content = self._read("blobs", descriptor.digest)  # a real one would read it piece by piece
        if len(content) != descriptor.size:
            raise Corrupt(f"{descriptor.digest} has {len(content)} bytes")
        yield iter([content])

    def tags(self):
        names = os.listdir(f"{self.where}/manifests") if os.path.isdir(f"{self.where}/manifests") else []
        return (name for name in names if not _DIGEST.fullmatch(name) and not name.startswith("."))

    def has_blob(self, digest):
        return os.path.exists(f"{self.where}/blobs/{digest}")

    def mount_blob(self, digest, source):
        return False  # it is sent again

    def put_blob(self, descriptor, content):
        pieces, left = [], descriptor.size
        while left and (piece := content.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        if digests.of(b"".join(pieces)) != descriptor.digest:
            raise Corrupt(f"the content is not that of {descriptor.digest}")
        self._write("blobs", descriptor.digest, b"".join(pieces))

    def put_manifest(self, version, content, media_type):
        for name in {version, digests.of(content)}:
            self._write("manifests", name, media_type.encode() + b"\n" + content)

    def _read(self, kind, name):
        try:
            with open(f"{self.where}/{kind}/{name}", "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            raise NotFound(f"{self.where} has no {name}") from error

    def _write(self, kind, name, content):
        os.makedirs(f"{self.where}/{kind}", exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=f"{self.where}/{kind}", prefix=".", delete=False) as file:
            file.write(content)
        os.rename(file.name, f"{self.where}/{kind}/{name}")  # whole, or not at all


@hookimpl
def sampan_open_registry(repository, options):
    if set(options) - {"path"}:
        raise InvalidInput("the registry client takes one option, the path of the directory")
    return Shelf(os.path.join(options.get("path", "/srv/images"), repository))
