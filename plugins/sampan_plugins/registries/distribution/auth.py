"""Prove who asks: Basic, and Bearer tokens from a registry's token server.

Nothing is sent before a registry asks for it. Tokens are kept per scope until they expire. The protocol
is the distribution project's "Token Authentication": GET with Basic credentials, and POST as in OAuth2 for identity
tokens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import msgspec

from sampan.errors import Corrupt, Denied, Unavailable
from sampan_plugins.registries.distribution import challenge as challenges
from sampan_plugins.registries.distribution.challenge import Challenge
from sampan_plugins.registries.distribution.credentials import Credentials, Found
from sampan_plugins.registries.distribution.transport import drain

if TYPE_CHECKING:
    from requests import Response

_DEFAULT_LIFE = 60.0  # seconds, by the specification, when the server does not say
_MARGIN = 10.0  # seconds before its end from which a token is not used any more: clocks and requests take time
_CLIENT_ID = "sampan"

Send = Callable[[str, str, dict[str, str], bytes | None], "Response"]
"""Send method, address, headers and body, with retries; the answer's body is unread."""


class Scope(msgspec.Struct, frozen=True):
    """What a request needs: resource scopes such as ``repository:library/ubuntu:pull``."""

    wanted: tuple[str, ...]


class _Grant(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float | None = None


class _Held(msgspec.Struct, frozen=True):
    header: str
    expires: float


class Authorizer:
    """The authorization of one registry host, for all threads.

    ``guarded`` says that the host is reached by verified TLS only: then credentials go to a token server
    only by TLS as well. ``find`` looks up the host's credentials, when first needed. ``lasting`` asks the token
    server for an identity token too, to be kept in their place.
    """

    def __init__(
        self, host: str, guarded: bool, find: Callable[[], Found], send: Send, *, lasting: bool = False
    ) -> None:
        self._host = host
        self._guarded = guarded
        self._find = find
        self._send = send
        self._lasting = lasting
        self._found: Found | None = None
        self._held: dict[Scope | None, _Held] = {}
        self._refresh_token = ""
        self._lock = threading.Lock()

    @property
    def problem(self) -> str:
        """What kept credentials from being found, if anything did."""
        return self._found.problem if self._found else ""

    @property
    def identity_token(self) -> str:
        """The identity token the token server handed out, if it did."""
        return self._refresh_token

    def header(self, scope: Scope) -> str | None:
        """Return the Authorization header known to fit, or None."""
        held = self._held.get(scope) or self._held.get(None)
        return held.header if held and held.expires > time.monotonic() else None

    def answer(self, header: str, scope: Scope, refused: str | None) -> str | None:
        """Return the Authorization header that answers a WWW-Authenticate header, or None when there is none.

        ``refused`` is the Authorization the registry did not accept. Raises Denied when the token server refuses.
        """
        offered = challenges.parse(header)
        with self._lock:
            current = self.header(scope)
            if current and current != refused:
                return current  # another thread has asked meanwhile
            for offer in offered:
                if offer.scheme == "bearer":
                    return self._bearer(offer, scope)
            if any(offer.scheme == "basic" for offer in offered):
                return self._basic(refused)
        return None

    def _credentials(self) -> Credentials | None:
        if self._found is None:
            self._found = self._find()
        return self._found.credentials

    def _basic(self, refused: str | None) -> str | None:
        known = self._credentials()
        if known is None or not known.username or known.basic == refused:
            return None
        self._held[None] = _Held(known.basic, float("inf"))
        return known.basic

    def _bearer(self, offer: Challenge, scope: Scope) -> str | None:
        grant = self._grant(offer, scope)
        if grant is None:
            return None
        token = grant.token or grant.access_token
        if not token or not token.isprintable() or not token.isascii():
            raise Corrupt(f"the token server of {self._host} sent no token")
        life = _DEFAULT_LIFE if grant.expires_in is None else grant.expires_in
        held = _Held(f"Bearer {token}", time.monotonic() + max(life - _MARGIN, life / 2))
        self._held[scope] = held
        self._refresh_token = grant.refresh_token or self._refresh_token
        return held.header

    def _grant(self, offer: Challenge, scope: Scope) -> _Grant | None:
        realm = offer.parameters.get("realm", "")
        if urlsplit(realm).scheme not in ("http", "https") or not urlsplit(realm).netloc:
            raise Corrupt(f"{self._host} names no usable token server: {realm!r}")
        asked = offer.parameters.get("scope", "").split()
        scopes = list(dict.fromkeys([*scope.wanted, *asked]))
        service = offer.parameters.get("service", "")
        known = self._credentials()
        if known is not None:
            self._check_realm(realm)
        identity = self._refresh_token or (known.identity_token if known else "")
        if identity:
            return self._decode(realm, known, self._post(realm, service, scopes, identity))
        return self._decode(realm, known, self._get(realm, service, scopes, known))

    def _check_realm(self, realm: str) -> None:
        if self._guarded and urlsplit(realm).scheme != "https":
            raise Denied(f"{self._host} wants its credentials sent to {realm} in the clear; refused")

    def _get(self, realm: str, service: str, scopes: list[str], known: Credentials | None) -> Response:
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        if self._lasting:
            query += [("client_id", _CLIENT_ID), ("offline_token", "true")]
        headers = {}
        if known is not None:
            query.append(("account", known.username))
            headers["Authorization"] = known.basic
        join = "&" if urlsplit(realm).query else "?"
        return self._send("GET", realm + join + urlencode(query), headers, None)

    def _post(self, realm: str, service: str, scopes: list[str], identity: str) -> Response:
        form = {"grant_type": "refresh_token", "refresh_token": identity, "service": service,
                "client_id": _CLIENT_ID, "scope": " ".join(scopes)}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", realm, headers, urlencode(form).encode())

    def _decode(self, realm: str, known: Credentials | None, response: Response) -> _Grant | None:
        status, content = response.status_code, drain(response)
        server = urlsplit(realm).netloc
        if status in (400, 401, 403):
            if known is None:
                return None  # the registry's own refusal says it better
            raise Denied(f"{server} refuses a token for {self._host}: incorrect username or password", self.remedy)
        if status != 200:
            raise Unavailable(f"the token server {server} answers {status}")
        try:
            return msgspec.json.decode(content, type=_Grant)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"the token server {server} sent an answer that is not valid") from error

    @property
    def remedy(self) -> str:
        """What a user can do when access is denied."""
        return self.problem or f"sampan login {self._host}"
