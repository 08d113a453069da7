"""Put content into a repository (OCI distribution-spec v1.1, "Pushing")."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from sampan.errors import Corrupt, Denied, SampanError
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan_plugins.registries.distribution.auth import Scope
from sampan_plugins.registries.distribution.body import Body
from sampan_plugins.registries.distribution.client import Client
from sampan_plugins.registries.distribution.failures import Interrupted, Unreachable
from sampan_plugins.registries.distribution.retry import PASSING
from sampan_plugins.registries.distribution.transport import drain

if TYPE_CHECKING:
    from requests import Response

    from sampan.contracts.registry import Content

Judge = Callable[["Response", str], SampanError]
"""Turn a refusal, of the object named, into an error."""


class Uploader:
    """The writing half of one repository, at its own host: mirrors are for reading."""

    def __init__(self, client: Client, path: str, judge: Judge) -> None:
        self._client = client
        self._path = path
        self._judge = judge
        self._scope = Scope((f"repository:{path}:pull,push",))

    def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has the blob."""
        response = self._client.request("HEAD", f"/v2/{self._path}/blobs/{digest}", self._scope)
        if response.status_code == 404:
            drain(response)
            return False
        self._expect(response, f"blob {digest}", 200)
        return True

    def mount_blob(self, digest: Digest, source: str) -> bool:
        """Ask for the blob to be taken over from another repository of the registry; False when it is not."""
        scope = Scope((*self._scope.wanted, f"repository:{source}:pull"))
        query = urlencode({"mount": digest, "from": source})
        try:
            response = self._client.request("POST", f"/v2/{self._path}/blobs/uploads/?{query}", scope)
        except Denied:
            return False  # the token server grants nothing at the source; what it says of this repository comes next
        location = response.headers.get("Location", "")
        drain(response)
        if response.status_code == 202 and (target := self._client.resolve(response, location)):
            # It opened an upload instead, which would linger.
            drain(self._client.request("DELETE", target, self._scope))
        return response.status_code == 201

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Upload a blob whole; broken off or refused in passing, it starts again."""
        body, backoff = Body(content, descriptor.size), self._client.backoff()
        while True:
            try:
                return self._put_once(descriptor, body)
            except (Interrupted, Unreachable):
                if not backoff.wait():
                    raise

    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        """Store a manifest under a tag or its digest."""
        path = f"/v2/{self._path}/manifests/{quote(version, safe=':')}"
        response = self._client.request("PUT", path, self._scope, {"Content-Type": media_type}, content)
        self._expect(response, f"manifest {version}", 201)

    def _put_once(self, descriptor: Descriptor, body: Body) -> None:
        what = f"blob {descriptor.digest}"
        opened = self._client.request("POST", f"/v2/{self._path}/blobs/uploads/", self._scope)
        location = opened.headers.get("Location", "")
        self._expect(opened, what, 202)
        target = self._client.resolve(opened, location)
        if target is None:
            raise Corrupt(f"{self._client.endpoint.host} sends uploads to another host, {location!r}; not followed")
        target += ("&" if "?" in target else "?") + urlencode({"digest": descriptor.digest})
        headers = {"Content-Type": "application/octet-stream"}
        response = self._client.request("PUT", target, self._scope, headers, body if len(body) else b"")
        if response.status_code in PASSING:
            refused = self._judge(response, what)
            raise Interrupted(refused.message, refused.hint)
        self._expect(response, what, 201)

    def _expect(self, response: Response, what: str, status: int) -> None:
        if response.status_code != status:
            raise self._judge(response, what)
        drain(response)
