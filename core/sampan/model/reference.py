"""Parse image references as Docker does, and write them back in familiar and canonical form."""

from __future__ import annotations

import re

import msgspec

from sampan.errors import InvalidInput
from sampan.model import digest as digests
from sampan.model.digest import Digest

DEFAULT_DOMAIN = "docker.io"
_INDEX = "index.docker.io"
_OFFICIAL = "library/"
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_DOMAIN = re.compile(
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*"
    r"(?::[0-9]+)?|\[[a-fA-F0-9:]+\](?::[0-9]+)?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Reference(msgspec.Struct, frozen=True):
    """A repository (``domain/path``) and, where given, a tag and a digest within it."""

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def repository(self) -> str:
        """The canonical repository: ``docker.io/library/ubuntu``."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        """The repository as people write it: ``ubuntu``."""
        return familiar(self.repository)

    @property
    def version(self) -> str:
        """What to ask a registry for: the digest when there is one, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    def with_default_tag(self) -> Reference:
        """Return the reference with ``latest`` where it has neither tag nor digest."""
        if self.tag or self.digest:
            return self
        return Reference(self.domain, self.path, "latest")

    @property
    def familiar(self) -> str:
        """The whole reference as people write it: ``ubuntu:18.04``."""
        return self.familiar_repository + self._suffix()

    def __str__(self) -> str:
        return self.repository + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def familiar(repository: str) -> str:
    """Shorten a canonical repository the way Docker shows it."""
    domain, _, path = repository.partition("/")
    if domain != DEFAULT_DOMAIN:
        return repository
    return path.removeprefix(_OFFICIAL) if path.count("/") == 1 else path


def parse(text: str) -> Reference:
    """Parse a reference in familiar or canonical form.

    Raises InvalidInput on anything the distribution grammar does not allow, upper case in the repository
    and a bare 64-digit hexadecimal name (which is an image id) included.
    """
    rest, at, digest = text.partition("@")
    parsed_digest = digests.parse(digest) if at else None
    name, tag = _split_tag(rest)
    domain, path = _split_domain(name)
    if not path or not _PATH.fullmatch(path):
        if path != path.lower() and _PATH.fullmatch(path.lower()):
            raise InvalidInput(
                f"invalid reference format: repository name ({path}) must be lowercase")
        raise InvalidInput(f"invalid reference format: {text!r}")
    if not _DOMAIN.fullmatch(domain) or (tag is not None and not _TAG.fullmatch(tag)):
        raise InvalidInput(f"invalid reference format: {text!r}")
    if len(path) > 255:
        raise InvalidInput("repository name must not be more than 255 characters")
    if not at and tag is None and domain == DEFAULT_DOMAIN and digests.is_digest("sha256:" + name):
        raise InvalidInput(f"invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")
    return Reference(domain, path, tag, parsed_digest)


def parse_host(text: str) -> str:
    """Return the registry host (``host[:port]``) that an address means, as ``login`` takes it; empty: Docker Hub.

    Scheme and path are dropped: ``https://registry.example/v2/``. Raises InvalidInput on what is no host.
    """
    host = text.removeprefix("https://").removeprefix("http://").partition("/")[0]
    if text and not _DOMAIN.fullmatch(host):
        raise InvalidInput(f"invalid registry host {text!r}", "write it as HOST or HOST:PORT")
    return DEFAULT_DOMAIN if host in ("", _INDEX) else host


def _split_tag(name: str) -> tuple[str, str | None]:
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (name, None)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or any(c in first for c in ".:[") or first != first.lower()):
        domain, path = first, rest
    else:
        domain, path = DEFAULT_DOMAIN, name
    if domain == _INDEX:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and path and "/" not in path:
        path = _OFFICIAL + path
    return domain, path
