"""Run Debian's docker-registry on a free loopback port, with a storage directory of its own."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.tokens import ISSUER, SERVICE, TokenServer

USER, PASSWORD = "alice", "open sesame"
_HTPASSWD = f"{USER}:$2b$04$9Ta6VYGCkYXSXGtFd.VaK.kgwlpCDXa8SkpgZ8iGz9HNQc.RWmgZ.\n"  # bcrypt, cost 4
_LISTENING = re.compile(r"listening on (?:127\.0\.0\.1|\[?::1?\]?|0\.0\.0\.0):(\d+)")


@dataclass(frozen=True)
class RegistryServer:
    """A running registry; ``credentials`` is ``user:password`` where it wants some."""

    port: int
    storage: Path
    credentials: str = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def running_registry(
    directory: Path,
    *,
    basic: bool = False,
    tokens: TokenServer | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[RegistryServer]:
    """Run a registry in ``directory`` until the context ends.

    ``basic`` wants USER and PASSWORD by Basic authentication; ``tokens`` wants tokens of that server; ``certificate``,
    a key and a certificate, makes it speak TLS.
    """
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "config.json"  # YAML is a superset of JSON
    configuration.write_text(json.dumps(_configuration(directory, basic, tokens, certificate)))
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(["docker-registry", "serve", configuration], stdout=output, stderr=output)
    try:
        port = _await_port(process, log)
        yield RegistryServer(port, directory / "storage", f"{USER}:{PASSWORD}" if basic or tokens else "")
    finally:
        process.kill()
        process.wait()


def _configuration(
    directory: Path, basic: bool, tokens: TokenServer | None, certificate: tuple[Path, Path] | None
) -> dict[str, object]:
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "test"}
    document: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}, "delete": {"enabled": True}},
        "http": http,
        "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},  # layers may be elsewhere
    }
    if certificate is not None:
        http["tls"] = {"key": str(certificate[0]), "certificate": str(certificate[1])}
    if basic:
        (directory / "htpasswd").write_text(_HTPASSWD)
        document["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    if tokens is not None:
        document["auth"] = {"token": {"realm": tokens.realm, "service": SERVICE, "issuer": ISSUER,
                                      "rootcertbundle": str(tokens.certificate)}}
    return document


def _await_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if found := _LISTENING.search(log.read_text()):
            return int(found.group(1))
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"docker-registry did not start:\n{log.read_text()[-2000:]}")
