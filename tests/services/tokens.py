"""Serve tokens a real registry accepts (distribution's token authentication: JWT by RS256, and OAuth2)."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SERVICE = "registry.test"
ISSUER = "tokens.test"


def make_certificate(directory: Path, *names: str) -> tuple[Path, Path]:
    """Make a key and a self-signed certificate for subject alternative ``names`` (``IP:127.0.0.1``); their paths."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
         "-addext", f"subjectAltName={','.join(names) or 'DNS:localhost'}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    return key, certificate


class TokenServer:
    """A token server for one user. ``anonymous_pull`` grants pulling to everybody; ``life`` is in seconds.

    With ``lasting`` it hands its identity token to those who ask for one.

    ``log`` holds, for each request, its method, its parameters and its Authorization header.
    """

    def __init__(self, directory: Path, user: str, password: str) -> None:
        self.key, self.certificate = make_certificate(directory)
        self.user, self.password, self.identity = user, password, "the-identity-token"
        self.anonymous_pull = True
        self.lasting = False
        self.life = 300
        self.log: list[tuple[str, dict[str, list[str]], str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def grant(self, scopes: list[str], known: bool) -> str:
        """Return a signed token for what of ``scopes`` (``type:name:actions``) may be had."""
        access = []
        for scope in " ".join(scopes).split():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            allowed = [a for a in actions.split(",") if known or (a == "pull" and self.anonymous_pull)]
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": SERVICE, "sub": self.user if known else "", "iat": now,
                  "exp": now + self.life, "nbf": now - 5, "jti": str(time.monotonic_ns()), "access": access}
        der = "".join(self.certificate.read_text().splitlines()[1:-1])
        signed = f"{_encoded({'typ': 'JWT', 'alg': 'RS256', 'x5c': [der]})}.{_encoded(claims)}"
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(),
                                   check=True, capture_output=True).stdout
        return f"{signed}.{_base64(signature)}"


@contextmanager
def token_server(directory: Path, user: str, password: str) -> Iterator[TokenServer]:
    server = TokenServer(directory, user, password)
    try:
        yield server
    finally:
        server.close()


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _encoded(document: object) -> str:
    return _base64(json.dumps(document).encode())


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            header = self.headers.get("Authorization", "")
            server.log.append(("GET", query, header))
            right = "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
            if header and header != right:
                self._answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect"}]})
            else:
                token = server.grant(query.get("scope", []), bool(header))
                lasting = server.lasting and header and query.get("offline_token") == ["true"]
                refresh = {"refresh_token": server.identity} if lasting else {}
                self._answer(200, {"token": token, "expires_in": server.life, **refresh})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            server.log.append(("POST", form, self.headers.get("Authorization", "")))
            if form.get("refresh_token") != [server.identity]:
                self._answer(401, {"error": "invalid_grant"})
            else:
                token = server.grant(form.get("scope", []), True)
                self._answer(200, {"access_token": token, "expires_in": server.life})

        def _answer(self, status: int, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
