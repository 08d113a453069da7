"""Fetch from and push to a repository of an OCI distribution or Docker v2 registry.

Mirrors are asked first, in order, and any failure of one leads to the next; the host itself has the last word.
Implements the OCI distribution-spec v1.1: pull, content discovery of tags, push; and logging in, as Docker does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from sampan.contracts.registry import Account, Fetched, Registry
from sampan.errors import Corrupt, NotFound, SampanError
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest, is_digest
from sampan.model.reference import familiar
from sampan_plugins.registries.distribution import manifests
from sampan_plugins.registries.distribution.account import Accounts
from sampan_plugins.registries.distribution.auth import Scope
from sampan_plugins.registries.distribution.client import Client
from sampan_plugins.registries.distribution.download import Download, Source
from sampan_plugins.registries.distribution.endpoints import endpoints, is_loopback
from sampan_plugins.registries.distribution.failures import Interrupted
from sampan_plugins.registries.distribution.replies import Subject, refusal
from sampan_plugins.registries.distribution.transport import Transport
from sampan_plugins.registries.distribution.upload import Uploader

if TYPE_CHECKING:
    from requests import Response

    from sampan.contracts.registry import Content
    from sampan_plugins.registries.distribution.options import Options

_PAGE = 1000  # tags asked for at once
_MIRROR_RETRIES = 1  # the next source is better than patience
_T = TypeVar("_T")


class _TagPage(msgspec.Struct, frozen=True):
    tags: tuple[str, ...] | None = None


class DistributionRegistry(Registry):
    """One repository (``host[:port]/path``), or a host alone to log in to.

    Nothing is sent, and requests is not loaded, before the first question.
    """

    def __init__(self, repository: str, insecure: bool, mirrors: Sequence[str], options: Options) -> None:
        self._repository = repository
        self._host, _, self._path = repository.partition("/")
        self._scope = Scope((f"repository:{self._path}:pull",))
        self._transport = Transport(options)
        hasty = msgspec.structs.replace(options, retries=min(options.retries, _MIRROR_RETRIES))
        self._clients = [
            Client(endpoint, self._transport, hasty if endpoint.mirror else options)
            for endpoint in endpoints(self._host, insecure, mirrors)
        ]
        self._accounts = Accounts(self._clients[-1].endpoint, self._transport, options)
        self._uploader = Uploader(self._clients[-1], self._path, lambda reply, what: self._refusal(
            reply, self._clients[-1], f"{what} in {repository}", "blob unknown", pushed=True))

    def manifest(self, version: str) -> Fetched:
        """Return the manifest or index that a tag or digest names, as it came.

        Raises Unsupported for a manifest of schema 1, besides what every method raises.
        """
        what = f"manifest for {self._repository}{'@' if is_digest(version) else ':'}{version}"
        path = f"/v2/{self._path}/manifests/{quote(version, safe=':')}"
        return self._first(lambda client: self._manifest(client, path, version, what))

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """Open a blob and stream it in chunks of up to 1 MiB, resumed where a connection breaks.

        A blob no registry has is looked for at the descriptor's ``urls``, without credentials.
        """
        sources = [self._source(c, descriptor) for c in self._clients if not (c.dead and c.endpoint.mirror)]
        sources += [self._foreign(url, descriptor) for url in descriptor.urls if self._acceptable(url)]
        what = f"blob {descriptor.digest}"
        download = Download(sources, descriptor.size, what, self._host, self._clients[-1].backoff)
        try:
            yield iter(download)
        finally:
            download.close()

    def tags(self) -> Iterator[str]:
        """Yield the repository's tags, page by page."""
        client, path, seen = self._clients[-1], f"/v2/{self._path}/tags/list?n={_PAGE}", set[str]()
        while path not in seen:
            seen.add(path)
            names, following = self._tag_page(client, path)
            yield from names
            if following is None:
                return
            path = following
        raise Corrupt(f"{self._host} lists the tags of {self._repository} in a circle")

    def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has the blob."""
        return self._uploader.has_blob(digest)

    def mount_blob(self, digest: Digest, source: str) -> bool:
        """Ask for the blob to be taken over from repository path ``source`` of the same registry."""
        return self._uploader.mount_blob(digest, source)

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Upload a blob from where ``content``, a seekable file, stands."""
        self._uploader.put_blob(descriptor, content)

    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        """Store a manifest or index under a tag or its digest."""
        self._uploader.put_manifest(version, content, media_type)

    def account(self) -> Account:
        """Tell whose credentials are kept for the host, and under which name."""
        return self._accounts.account()

    def login(self, user: str, password: str) -> str:
        """Keep credentials for the host, once it has accepted them; return the file they lie in unencrypted."""
        return self._accounts.login(user, password)

    def verify(self) -> None:
        """Have the host accept the credentials kept for it."""
        self._accounts.verify()

    def logout(self) -> bool:
        """Forget the host's credentials; False when none are kept."""
        return self._accounts.logout()

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _first(self, ask: Callable[[Client], _T]) -> _T:
        """Return the answer of the first mirror that has one, else the host's own."""
        for client in self._clients[:-1]:
            if client.dead:
                continue
            try:
                return ask(client)
            except SampanError:
                continue
        return ask(self._clients[-1])

    def _manifest(self, client: Client, path: str, version: str, what: str) -> Fetched:
        backoff = client.backoff()
        while True:
            response = client.request("GET", path, self._scope, {"Accept": manifests.ACCEPT})
            if response.status_code != 200:
                raise self._refusal(response, client, what, "manifest unknown")
            try:
                return manifests.read(response, version, what, client.endpoint.host)
            except Interrupted:
                if not backoff.wait():
                    raise

    def _source(self, client: Client, descriptor: Descriptor) -> Source:
        def ask(headers: dict[str, str]) -> Response:
            path = f"/v2/{self._path}/blobs/{descriptor.digest}"
            response = client.request("GET", path, self._scope, headers)
            if response.status_code not in (200, 206):
                what = f"blob {descriptor.digest} of {self._repository}"
                raise self._refusal(response, client, what, "blob unknown")
            return response

        return ask

    def _foreign(self, url: str, descriptor: Descriptor) -> Source:
        def ask(headers: dict[str, str]) -> Response:
            host = urlsplit(url).netloc
            response = self._transport.send("GET", url, headers, verify=not is_loopback(host))
            if response.status_code not in (200, 206):
                status = response.status_code
                response.close()
                raise NotFound(f"blob {descriptor.digest} not found: {host} answers {status}")
            return response

        return ask

    def _acceptable(self, url: str) -> bool:
        # An image's author writes these addresses: never from TLS down to plain HTTP.
        scheme = urlsplit(url).scheme
        return scheme == "https" or (scheme == "http" and not self._clients[-1].endpoint.guarded)

    def _tag_page(self, client: Client, path: str) -> tuple[tuple[str, ...], str | None]:
        what = f"tags of {self._repository}"
        response = client.request("GET", path, self._scope)
        if response.status_code != 200:
            raise self._refusal(response, client, f"repository {self._repository}", "name unknown")
        content = manifests.read_body(response, what, self._host)
        following = response.links.get("next", {}).get("url")
        target = client.resolve(response, following) if following else None
        if following and target is None:
            raise Corrupt(f"{self._host} continues its list of tags on another host")
        try:
            return msgspec.json.decode(content, type=_TagPage).tags or (), target
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Corrupt(f"{what} are not valid: {error}") from error

    def _refusal(
        self, response: Response, client: Client, what: str, missing: str, *, pushed: bool = False
    ) -> SampanError:
        name, host = familiar(self._repository), client.endpoint.host
        subject = Subject(what, name, host, client.authorizer.remedy, missing, pushed)
        return refusal(response, subject, home=client.is_home(response.url))
