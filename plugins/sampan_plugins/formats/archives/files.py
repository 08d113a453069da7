"""Look into an archive or a directory by the names of what it holds, none of which ever becomes a path of ours."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from sampan.errors import Corrupt, NotFound
from sampan.kernel import paths
from sampan.model.digest import Digest

_CHUNK = 1 << 20
_MOST_LINKS = 10
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Part(msgspec.Struct, frozen=True):
    """``size`` bytes of an open file, from ``offset`` on."""

    descriptor: int
    offset: int
    size: int

    def head(self, count: int) -> bytes:
        """Return the first bytes."""
        return os.pread(self.descriptor, min(count, self.size), self.offset)

    def digest(self) -> Digest:
        """Return the digest of all of it. Raises Corrupt as ``chunks`` does."""
        import hashlib

        hasher = hashlib.sha256()
        for chunk in self.chunks():
            hasher.update(chunk)
        return Digest("sha256:" + hasher.hexdigest())

    def chunks(self) -> Iterator[bytes]:
        """Yield all of it. Raises Corrupt when the file has become shorter."""
        at, end = self.offset, self.offset + self.size
        while at < end:
            chunk = os.pread(self.descriptor, min(_CHUNK, end - at), at)
            if not chunk:
                raise Corrupt("the archive ends inside a file")
            at += len(chunk)
            yield chunk


class Files(ABC):
    """Regular files by name."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""

    @abstractmethod
    @contextmanager
    def part(self, name: str) -> Iterator[Part]:
        """Open a file. Raises NotFound."""
        yield Part(-1, 0, 0)

    def check(self) -> None:
        """Raise Corrupt when what holds the files is damaged."""
        return

    def read(self, name: str, largest: int) -> bytes:
        """Return a file's content. Raises NotFound, and Corrupt when it has more than ``largest`` bytes."""
        with self.part(name) as part:
            if part.size > largest:
                raise Corrupt(f"the archive's {name} has {part.size} bytes")
            return b"".join(part.chunks())


class Archive(Files):
    """The files in a plain tar archive. Of several of one name the last counts; links stand for their targets."""

    def __init__(self, descriptor: int) -> None:
        from sampan.layers.members import members

        self._descriptor = descriptor
        self._parts: dict[str, Part] = {}
        self._links: dict[str, str] = {}
        self._damage: Corrupt | None = None
        try:
            for member in members(descriptor):
                name = _plain(member.name)
                self._parts.pop(name, None)
                self._links.pop(name, None)
                if member.link:
                    base = posixpath.dirname(name) if member.symlink else ""
                    self._links[name] = posixpath.normpath(posixpath.join(base, _plain(member.link)))
                else:
                    self._parts[name] = Part(descriptor, member.offset, member.size)
        except Corrupt as error:
            self._damage = Corrupt(error.message.removeprefix("layer: "))

    def check(self) -> None:
        """Raise Corrupt when the archive makes no sense, or none any more after what was found."""
        if self._damage is not None:
            raise self._damage

    def has(self, name: str) -> bool:
        """Tell whether there is such a member."""
        return self._found(name) is not None

    @contextmanager
    def part(self, name: str) -> Iterator[Part]:
        """Return where a member lies."""
        found = self._found(name)
        if found is None:
            raise NotFound(f"the archive has no {name}")
        yield found

    def _found(self, name: str) -> Part | None:
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                break
            name = self._links[name]
        return self._parts.get(name)


class Directory(Files):
    """The files below a directory, links being followed inside it alone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        try:
            with self.part(name):
                return True
        except NotFound:
            return False

    @contextmanager
    def part(self, name: str) -> Iterator[Part]:
        """Open a file."""
        try:
            descriptor = paths.open_in(self._descriptor, name, _READ)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            raise NotFound(f"the directory has no {name}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotFound(f"the directory has no {name} that is a regular file")
            yield Part(descriptor, 0, status.st_size)
        finally:
            os.close(descriptor)


def _plain(name: bytes) -> str:
    text = name.decode(errors="surrogateescape")
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    return text
