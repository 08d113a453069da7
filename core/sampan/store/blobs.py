"""Keep content in files named by its digest, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from sampan.errors import Corrupt, NotFound, OutOfSpace
from sampan.model import digest as digests
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.store import owner
from sampan.store.layout import Layout

_BUFFER = 1 << 20


class Incoming:
    """A blob on its way into the store, checked as it comes."""

    def __init__(self, descriptor: Descriptor, file: BinaryIO, path: str, final: str) -> None:
        self._descriptor = descriptor
        self._file = file
        self._path = path
        self._final = final
        self._hasher = digests.hasher(descriptor.digest)
        self._size = 0

    def fileno(self) -> int:
        """Return the file's descriptor: what was written can be read from it at once."""
        return self._file.fileno()

    def write(self, chunk: bytes) -> None:
        """Keep the next bytes. Raises Corrupt when there are more than promised."""
        self._size += len(chunk)
        if self._size > self._descriptor.size:
            raise Corrupt(f"{self._descriptor.digest} is longer than the {self._descriptor.size} bytes promised")
        self._hasher.update(chunk)
        self._file.write(chunk)
        self._file.flush()

    def finish(self) -> None:
        """Put the blob under its final name. Raises Corrupt when size or digest are not what was promised."""
        digest, size = self._descriptor.digest, self._descriptor.size
        if self._size != size:
            raise Corrupt(f"{digest} has {self._size} bytes instead of the {size} promised")
        if self._hasher.hexdigest() != digests.encoded(digest):
            raise Corrupt(f"content does not match its digest {digest}")
        os.fdatasync(self._file.fileno())  # or a power cut may leave its name on a short file
        os.rename(self._path, self._final)


class Blobs:
    """The content store. A file under its final name is complete and was checked."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path(self, digest: Digest) -> str:
        """Return where the blob is, or would be."""
        return self._layout.blob(digest)

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is here."""
        return os.path.exists(self.path(digest))

    def size(self, digest: Digest) -> int:
        """Return a blob's size in bytes. Raises NotFound."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError as error:
            raise NotFound(f"no such blob: {digest}") from error

    def read(self, digest: Digest) -> bytes:
        """Return a blob's content. Raises NotFound."""
        with self.open(digest) as file:
            return file.read()

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading. Raises NotFound."""
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError as error:
            raise NotFound(f"no such blob: {digest}") from error

    def put(self, content: bytes) -> Digest:
        """Store content; return its digest."""
        digest = digests.of(content)
        if not self.has(digest):
            descriptor = Descriptor("", digest, len(content))
            for _ in self.ingest(descriptor, [content]):
                pass
        return digest

    def ingest(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> Iterator[int]:
        """Store a blob from its chunks, yielding the size of each as it is kept.

        Raises Corrupt when digest or size are not the descriptor's, OutOfSpace when the disk is full; then
        nothing is kept.
        """
        with self.receive(descriptor) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
                yield len(chunk)
            incoming.finish()

    @contextmanager
    def receive(self, descriptor: Descriptor) -> Iterator[Incoming]:
        """Open a blob to be written; gone on leaving unless it was finished. Raises what ``ingest`` raises."""
        with self.temporary() as (file, path):
            yield Incoming(descriptor, file, path, self.path(descriptor.digest))

    @contextmanager
    def temporary(self) -> Iterator[tuple[BinaryIO, str]]:
        """Open a file that is gone on leaving unless it was renamed. Raises OutOfSpace when the disk is full."""
        path = f"{self._layout.temporary}/{owner.current().replace('/', '_')}@{os.urandom(8).hex()}"
        try:
            with self._written(open(path, "xb", buffering=_BUFFER)) as file:
                yield file, path
        finally:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    @contextmanager
    def unnamed(self) -> Iterator[BinaryIO]:
        """Open a file without a name, gone on leaving however that comes about. Raises OutOfSpace as above."""
        import tempfile

        with self._written(tempfile.TemporaryFile(buffering=_BUFFER, dir=self._layout.temporary)) as file:
            yield file

    @contextmanager
    def _written(self, opened: IO[bytes]) -> Iterator[BinaryIO]:
        try:
            with opened as file:
                try:
                    yield cast(BinaryIO, file)
                except BaseException:
                    # Its buffer must not be flushed to a full disk on closing.
                    os.ftruncate(file.fileno(), 0)
                    raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace(f"no space left on the file system of {self._layout.root}") from error
            raise

    def adopt(self, path: str, digest: Digest) -> None:
        """Take a complete file, whose digest the caller computed, under its final name."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(file)
        finally:
            os.close(file)
        os.rename(path, self.path(digest))

    def settle(self) -> None:
        """Have the names of all blobs on the disk, before a record says that they are there."""
        for algorithm in os.listdir(self._layout.blobs):
            directory = os.open(f"{self._layout.blobs}/{algorithm}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def remove(self, digest: Digest) -> None:
        """Remove a blob; gone already is fine."""
        try:
            os.unlink(self.path(digest))
        except FileNotFoundError:
            pass

    def abandoned(self) -> Iterator[str]:
        """Yield the paths of temporary files whose process is gone."""
        for name in os.listdir(self._layout.temporary):
            token = name.partition("@")[0].replace("_", "/")
            if token.count("/") != 2 or not owner.alive(token):
                yield f"{self._layout.temporary}/{name}"

    def all(self) -> Iterator[Digest]:
        """Yield the digest of every blob that is here."""
        for algorithm in os.listdir(self._layout.blobs):
            for name in os.listdir(f"{self._layout.blobs}/{algorithm}"):
                yield Digest(f"{algorithm}:{name}")

    def sweep(self) -> None:
        """Remove temporary files whose process is gone."""
        for path in self.abandoned():
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # another command sweeps too
