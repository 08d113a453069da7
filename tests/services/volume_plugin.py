"""Run a volume plugin of Docker's kind: another process that speaks the protocol over a Unix socket.

Its volumes are directories, which are to be found at their mount points while somebody has them mounted, and no longer.
It knows every user by id, and refuses to unmount for others. What it is asked it writes down, a line of JSON for each
question.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import RLock
from typing import Any


@dataclass(frozen=True)
class VolumePlugin:
    """A running plugin. What it has lies below ``directory``."""

    directory: Path
    process: subprocess.Popen[bytes]

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the questions so far, and forget them: the method, and what came with it."""
        log = self.directory / "asked"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [(method, arguments) for method, arguments in map(json.loads, lines)]

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def volume_plugin(path: Path, directory: Path, scope: str = "local") -> Iterator[VolumePlugin]:
    """Run a plugin on the socket ``path`` until the context ends."""
    directory.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, __file__, path, directory, scope], stdin=subprocess.DEVNULL)
    try:
        _await(path, process)
        yield VolumePlugin(directory, process)
    finally:
        process.kill()
        process.wait()
        path.unlink(missing_ok=True)


def _await(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                return connection.connect(str(path))
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the volume plugin did not start")


class _Volumes:
    """What the plugin does, by method. A string that comes back is an error."""

    def __init__(self, directory: Path, scope: str) -> None:
        self._directory = directory
        self._scope = scope
        self._users: dict[str, set[str]] = {}
        self.lock = RLock()

    def answer(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if method != "Plugin.Activate":
                with (self._directory / "asked").open("a") as log:
                    log.write(json.dumps([method.removeprefix("VolumeDriver."), asked]) + "\n")
            found = getattr(self, method.replace("VolumeDriver.", "").replace("Plugin.", "").lower())(asked)
        return {"Err": found} if isinstance(found, str) else {"Err": "", **found}

    def activate(self, _: Any) -> dict[str, Any]:
        return {"Implements": ["VolumeDriver"]}

    def capabilities(self, _: Any) -> dict[str, Any]:
        return {"Capabilities": {"Scope": self._scope}}

    def create(self, asked: dict[str, Any]) -> dict[str, Any] | str:
        if unknown := set(asked.get("Opts") or {}) - {"color"}:
            return f"unknown option {min(unknown)}"
        (self._directory / f"kept-{asked['Name']}").mkdir(exist_ok=True)
        self._users.setdefault(asked["Name"], set())
        return {}

    def remove(self, asked: dict[str, Any]) -> dict[str, Any] | str:
        name = asked["Name"]
        if self._users.get(name):
            return "volume in use"
        if self._users.pop(name, None) is None:
            return "no such volume"
        os.rename(self._directory / f"kept-{name}", self._directory / f"removed-{name}-{time.time_ns()}")
        return {}

    def mount(self, asked: dict[str, Any]) -> dict[str, Any] | str:
        name = asked["Name"]
        if name not in self._users:
            return "no such volume"
        if not self._users[name]:
            os.rename(self._directory / f"kept-{name}", self._directory / name)
        self._users[name].add(asked["ID"])
        return self.path(asked)

    def unmount(self, asked: dict[str, Any]) -> dict[str, Any] | str:
        name = asked["Name"]
        if asked["ID"] not in self._users.get(name, ()):
            return "not mounted by this user"
        self._users[name].remove(asked["ID"])
        if not self._users[name]:
            os.rename(self._directory / name, self._directory / f"kept-{name}")
        return {}

    def path(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Mountpoint": str(self._directory / asked["Name"]) if self._users.get(asked["Name"]) else ""}

    def get(self, asked: dict[str, Any]) -> dict[str, Any] | str:
        if asked["Name"] not in self._users:
            return "no such volume"
        status = {"users": len(self._users[asked["Name"]])}
        return {"Volume": {"Name": asked["Name"], **self.path(asked), "Status": status}}

    def list(self, _: Any) -> dict[str, Any]:
        return {"Volumes": [{"Name": name, **self.path({"Name": name})} for name in self._users]}


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 50

    def __init__(self, path: str, volumes: _Volumes) -> None:
        self.volumes = volumes
        super().__init__(path, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.volumes.answer(self.path.lstrip("/"), json.loads(content or b"{}"))
        body = json.dumps(answer).encode()
        self.send_response(500 if answer.get("Err") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """A Unix socket's peer has no address."""
        return ""


if __name__ == "__main__":
    _path, _directory, _scope = sys.argv[1:]
    with _Server(_path, _Volumes(Path(_directory), _scope)) as _server:
        _server.serve_forever()
