"""Pull from and push to directories that hold OCI image layouts.

The option ``path`` names either one layout, whose tags serve whatever repository is asked for, or a tree of them:
``PATH/docker.io/library/debian`` is the repository ``docker.io/library/debian``. See image-layout.md of the OCI
image-spec; a tag is the annotation ``org.opencontainers.image.ref.name``, as skopeo and umoci write it.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from sampan import hookimpl
from sampan.contracts.registry import Content, Fetched, Registry
from sampan.errors import Corrupt, InvalidInput, NotFound, Unavailable
from sampan.model import digest as digests
from sampan.model.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor
from sampan.model.digest import Digest

_TAG = "org.opencontainers.image.ref.name"
_PIECE = 1 << 20


class OciLayout(Registry):
    """One repository: a layout, which the first push makes."""

    def __init__(self, path: str, repository: str) -> None:
        self._host = f"{path}/{repository.partition('/')[0]}"
        self._layout = path if os.path.exists(f"{path}/oci-layout") else f"{path}/{repository}"

    def tags(self) -> Iterator[str]:
        yield from sorted({tag for entry in self._index() if (tag := _tag(entry))})

    def manifest(self, version: str) -> Fetched:
        entry = next((entry for entry in self._index() if version in (_tag(entry), entry["digest"])), None)
        if entry is None and not digests.is_digest(version):
            raise NotFound(f"{self._layout} has no tag {version}")
        digest = digests.parse(entry["digest"] if entry else version)
        with self._open(digest) as file:
            content = file.read()
        media_type = entry["mediaType"] if entry else _document(content).get("mediaType", OCI_MANIFEST)
        return Fetched(Descriptor(media_type, digest, len(content)), content)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        with self._open(descriptor.digest) as file:
            size = os.fstat(file.fileno()).st_size
            if size != descriptor.size:
                raise Corrupt(f"{descriptor.digest} in {self._layout} has {size} bytes, not {descriptor.size}")
            yield iter(lambda: file.read(_PIECE), b"")

    # Pushes

    def has_blob(self, digest: Digest) -> bool:
        return os.path.exists(self._blob(digest))

    def mount_blob(self, digest: Digest, source: str) -> bool:
        other = f"{self._host}/{source}/blobs/{digest.replace(':', '/')}"
        if not self.has_blob(digest) and os.path.exists(other):
            with _told(self._layout):
                os.makedirs(os.path.dirname(self._blob(digest)), exist_ok=True)
                os.link(other, self._blob(digest))
        return self.has_blob(digest)

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        hasher = digests.hasher(descriptor.digest)

        def fill(file: BinaryIO) -> None:
            left = descriptor.size
            while left and (piece := content.read(min(left, _PIECE))):
                hasher.update(piece)
                file.write(piece)
                left -= len(piece)
            if hasher.hexdigest() != digests.encoded(descriptor.digest):
                raise Corrupt(f"the content is not what {descriptor.digest} says")

        with _told(self._layout):
            _replace(self._blob(descriptor.digest), fill)

    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        digest = digests.of(content)
        entry = {"mediaType": media_type, "digest": digest, "size": len(content)}
        if version != digest:
            entry["annotations"] = {_TAG: version}
        with _told(self._layout):
            _replace(self._blob(digest), lambda file: file.write(content))
            with open(f"{self._layout}/.lock", "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                others = [other for other in self._index() if (_tag(other) or other["digest"]) != version]
                index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*others, entry]}
                _replace(f"{self._layout}/oci-layout", lambda file: file.write(b'{"imageLayoutVersion":"1.0.0"}'))
                _replace(f"{self._layout}/index.json", lambda file: file.write(json.dumps(index).encode()))

    def _index(self) -> list[dict[str, Any]]:
        try:
            with _told(self._layout), open(f"{self._layout}/index.json", "rb") as file:
                entries = _document(file.read())["manifests"]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except KeyError as error:
            raise Corrupt(f"{self._layout}/index.json names no manifests") from error
        return [entry for entry in entries if digests.is_digest(entry["digest"])]

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            with _told(self._layout):
                return open(self._blob(digest), "rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{self._layout} has no {digest}") from error

    def _blob(self, digest: Digest) -> str:
        return f"{self._layout}/blobs/{digest.replace(':', '/')}"


def _tag(entry: Mapping[str, Any]) -> str:
    return str(entry.get("annotations", {}).get(_TAG, ""))


def _document(content: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except (ValueError, TypeError) as error:
        raise Corrupt(f"no JSON object: {error}") from error


def _replace(path: str, fill: Callable[[BinaryIO], object]) -> None:
    """Have a file with new content, whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=".draft-", delete=False) as draft:
        try:
            fill(draft)
            draft.flush()
            os.fchmod(draft.fileno(), 0o644)
            os.rename(draft.name, path)
        except BaseException:
            os.unlink(draft.name)
            raise


@contextmanager
def _told(layout: str) -> Iterator[None]:
    """Turn what the file system has against it into an error of Sampan's; what is not there is the caller's."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise Unavailable(f"cannot use {layout}: {error.strerror}") from error


@hookimpl
def sampan_open_registry(repository: str, options: Mapping[str, Any]) -> Registry:
    """Open one repository below the directory that the option ``path`` names."""
    path = options.get("path")
    if set(options) != {"path"} or not isinstance(path, str) or not os.path.isabs(path):
        raise InvalidInput("the registry client oci-layout takes the option path, an absolute directory, and no other")
    return OciLayout(path, repository)
