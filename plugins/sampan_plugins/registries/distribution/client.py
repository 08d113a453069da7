"""Talk to one registry host: find the way to it, authorize, and try again what failed in passing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sampan.errors import SampanError, Unavailable
from sampan_plugins.registries.distribution.auth import Authorizer, Scope
from sampan_plugins.registries.distribution.body import Body
from sampan_plugins.registries.distribution.credentials import Credentials, Found, look_up
from sampan_plugins.registries.distribution.endpoints import Base, Endpoint, origin
from sampan_plugins.registries.distribution.failures import Interrupted, Unreachable
from sampan_plugins.registries.distribution.retry import PASSING, Backoff, retry_after
from sampan_plugins.registries.distribution.transport import Transport, drain

if TYPE_CHECKING:
    from requests import Response

    from sampan_plugins.registries.distribution.options import Options


class Client:
    """One registry host. ``endpoint`` says how it is reached. Safe to use from several threads.

    ``given`` are credentials to log in by, instead of those that are kept.
    """

    def __init__(
        self, endpoint: Endpoint, transport: Transport, options: Options, given: Credentials | None = None
    ) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._options = options
        self._base: Base | None = None  # the way that worked
        self._finding = threading.Lock()
        self.dead = False  # never reached: a mirror like that is not asked again
        self.authorizer = Authorizer(
            endpoint.host,
            endpoint.guarded,
            lambda: Found(given) if given else look_up(endpoint.host, options.docker_config, options.helper_timeout),
            self._ask_token_server,
            lasting=given is not None,
        )

    def request(
        self,
        method: str,
        path: str,
        scope: Scope,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
    ) -> Response:
        """Send a request for ``path``, or for an address the host gave, and return the answer, body unread.

        Statuses are the caller's to judge, 401 and those in ``PASSING`` once nothing more can be done about them.
        A Body is sent once only. Raises Unavailable, and Denied from the token server.
        """
        backoff = Backoff(0, 0, 0) if isinstance(body, Body) else self.backoff()
        while True:
            try:
                response = self._authorized(method, path, scope, dict(headers or {}), body)
            except Unreachable:
                # Where there has never been an answer, waiting is likelier to annoy than to help.
                if self._base is None or not backoff.wait():
                    self.dead = self._base is None
                    raise
                continue
            except Interrupted:
                if not backoff.wait():
                    raise
                continue
            if response.status_code not in PASSING or not backoff.wait(_asked_wait(response)):
                return response
            drain(response)

    def backoff(self) -> Backoff:
        """Return a fresh allowance of retries."""
        return Backoff(self._options.retries, self._options.backoff, self._options.max_wait)

    def _authorized(
        self, method: str, path: str, scope: Scope, headers: dict[str, str], body: bytes | Body | None
    ) -> Response:
        known = self.authorizer.header(scope)
        response = self._reach(method, path, _with(headers, known), body)
        if response.status_code != 401 or not self.is_home(response.url):
            return response  # a 401 from where a redirect led is none of this host's business
        try:
            answer = self.authorizer.answer(response.headers.get("WWW-Authenticate", ""), scope, known)
        except SampanError:
            response.close()
            raise
        if answer is None:
            return response
        drain(response)
        return self._reach(method, path, _with(headers, answer), body)

    def _reach(self, method: str, path: str, headers: dict[str, str], body: bytes | Body | None) -> Response:
        """Send by the way that worked, or by the first that does, which is found out once for all threads."""
        if self._base is None:
            with self._finding:
                if self._base is None:
                    return self._try(self.endpoint.bases, method, path, headers, body)
        return self._try((self._base,), method, path, headers, body)

    def _try(
        self, bases: Iterable[Base], method: str, path: str, headers: dict[str, str], body: bytes | Body | None
    ) -> Response:
        failure: SampanError | None = None
        for base in bases:
            url = path if "://" in path else base.url + path
            try:
                response = self._transport.send(method, url, headers, verify=base.verify, body=body)
            except (Unreachable, Interrupted) as error:
                failure = error
                continue
            self._base = base
            return response
        raise failure or Unavailable(f"there is no way to {self.endpoint.host}")

    def resolve(self, response: Response, location: str) -> str | None:
        """Return where ``location`` leads from an answer of this host, None when it leaves the host."""
        target = urljoin(response.url, location)
        return target if self.is_home(target) else None

    def is_home(self, url: str) -> bool:
        """Tell whether an address is the registry's own, and not where it redirected to."""
        return self._base is not None and origin(url) == origin(self._base.url)

    def _ask_token_server(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Response:
        lenient = not self.endpoint.guarded and urlsplit(url).hostname == urlsplit(f"//{self.endpoint.host}").hostname
        backoff = self.backoff()
        while True:
            try:
                response = self._transport.send(method, url, headers, verify=not lenient, body=body)
            except Interrupted:
                if not backoff.wait():
                    raise
                continue
            if response.status_code not in PASSING or not backoff.wait(_asked_wait(response)):
                return response
            drain(response)


def _with(headers: dict[str, str], authorization: str | None) -> dict[str, str]:
    return {**headers, "Authorization": authorization} if authorization else headers


def _asked_wait(response: Response) -> float | None:
    return retry_after(response.headers.get("Retry-After"), time.time())
