"""Send requests and follow redirects, letting no credentials leave for another host.

Pooled sessions serve all threads: urllib3's pools are safe to share, and the parts of requests' session that are
not (cookies, .netrc) are switched off. ``requests`` costs some 90 ms to import and is loaded by the first request.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sampan.errors import InvalidInput, Unavailable
from sampan_plugins.registries.distribution.endpoints import is_loopback, origin
from sampan_plugins.registries.distribution.failures import Unreachable, translate

if TYPE_CHECKING:
    from ssl import SSLContext

    from requests import Response, Session

    from sampan_plugins.registries.distribution.body import Body
    from sampan_plugins.registries.distribution.options import Options

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MAX_REDIRECTS = 10
_POOL = 16  # connections kept per host: more than the engine downloads at once
_HOSTS = 8  # hosts connections are kept to
_SMALL = 64 << 10
_SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


class Transport:
    """HTTP for one opened repository: pooled connections, time limits, proxies, trusted authorities."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._sessions: dict[bool, Session] = {}  # by whether certificates are verified
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        verify: bool,
        body: bytes | Body | None = None,
    ) -> Response:
        """Send one request and return the answer with its body unread; the caller drains or closes it.

        GET and HEAD follow redirects, without Authorization from the first hop to another origin on. Raises
        Unreachable and Interrupted (see ``failures``), and Unavailable for redirects that lead nowhere.
        """
        sent, home = dict(headers), origin(url)
        for _ in range(_MAX_REDIRECTS):
            try:
                response = self._send_one(method, url, sent, verify, body)
            except Unreachable as error:
                if origin(url) == home:
                    raise
                # The remedies are for the registry's host; this one is in no configuration.
                raise Unreachable(f"{error.message} (redirected to by {home[1]})") from error
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return response
            drain(response)
            target = _target(url, location, verify)
            if origin(target) != home:
                sent.pop("Authorization", None)
            if origin(target)[1] != origin(url)[1]:
                verify = not is_loopback(urlsplit(target).netloc)  # leniency is for the host it was given to
            url = target
        raise Unavailable(f"{urlsplit(url).netloc} redirects more than {_MAX_REDIRECTS} times")

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.close()

    def _send_one(
        self, method: str, url: str, headers: Mapping[str, str], verify: bool, body: bytes | Body | None
    ) -> Response:
        from requests import Request
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        session, host = self._session(verify), urlsplit(url).netloc
        try:
            prepared = session.prepare_request(Request(method, url, headers=dict(headers), data=body))
            # Not session.send: it reads the whole body of a redirect into memory, followed or not.
            return session.get_adapter(url).send(
                prepared, stream=True, timeout=(self._options.connect_timeout, self._options.timeout),
                verify=self._authorities() if verify else False, proxies=_proxies(url),
            )
        except (RequestException, HTTPError, OSError, ValueError) as error:
            # ValueError: http.client and requests refuse some malformed addresses and headers with it.
            raise translate(error, host) from error

    def _authorities(self) -> str | bool:
        named = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"))
        if path := self._options.ca_file or next(filter(None, named), ""):
            if not os.path.exists(path):
                raise InvalidInput(f"cannot read the trusted authorities: {path} does not exist")
            return path
        # What the administrator trusts, before what the certifi package ships.
        return _SYSTEM_AUTHORITIES if os.path.exists(_SYSTEM_AUTHORITIES) else True

    def _session(self, verify: bool) -> Session:
        with self._lock:
            if verify not in self._sessions:
                self._sessions[verify] = _new_session(verify)
            return self._sessions[verify]


def drain(response: Response) -> bytes:
    """Read what is short of a body and give the connection back; a long body closes it. Returns what was read."""
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    content = b""
    try:
        content = response.raw.read(_SMALL, decode_content=True)
    except (RequestException, HTTPError, OSError, ValueError):
        pass  # only its wording is lost: the status is known
    finally:
        response.close()
    return content


def _new_session(verify: bool) -> Session:
    from http.cookiejar import DefaultCookiePolicy

    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.trust_env = False  # .netrc would outrank the Authorization header; proxies are looked up in _proxies
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Bytes are wanted as they are, for their digest's sake.
    session.headers.update({"User-Agent": "sampan", "Accept-Encoding": "identity"})
    adapter = HTTPAdapter(pool_connections=_HOSTS, pool_maxsize=_POOL, max_retries=0)
    if not verify:
        # Asked for by the configuration, or on loopback: a warning per request helps nobody.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # urllib3 loads the system's authorities even where none is asked about them: 50 ms on the way to loopback.
        adapter.init_poolmanager(_HOSTS, _POOL, ssl_context=_lenient_context())
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def _lenient_context() -> SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _proxies(url: str) -> dict[str, str]:
    if is_loopback(urlsplit(url).netloc):
        return {}
    from requests.utils import get_environ_proxies

    return get_environ_proxies(url)


def _target(url: str, location: str, verify: bool) -> str:
    """Return where a redirect leads. Raises Unavailable when it is nowhere, or from verified TLS to plain HTTP."""
    host, shown = urlsplit(url).netloc, location.partition("?")[0]  # queries hold signatures
    try:
        target = urljoin(url, location)
        scheme, name, _ = origin(target)
    except ValueError as error:
        raise Unavailable(f"{host} redirects to {shown!r}, which is no address") from error
    if scheme not in ("http", "https") or not name:
        raise Unavailable(f"{host} redirects to {shown!r}, which is no web address")
    if scheme == "http" and verify and urlsplit(url).scheme == "https":
        raise Unavailable(f"{host} redirects from TLS to {shown!r}; not followed")
    return target
