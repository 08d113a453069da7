"""Stand between a client and a registry, and break what the test asks to be broken."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Fault:
    """What happens to the next ``times`` requests whose ``METHOD PATH`` matches ``pattern``.

    ``reset`` breaks the connection without an answer. ``cut`` ends it after so many bytes of the answer's body,
    ``stall`` falls silent after so many (the test's end ends it); ``status`` answers
    in the registry's place, with ``headers`` and ``body``. ``drop_request`` are headers the registry does not get to
    see; ``amend`` are headers set on its answer.
    """

    pattern: str
    times: int = 1
    reset: bool = False
    cut: int | None = None
    stall: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop_request: tuple[str, ...] = ()
    amend: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class FaultProxy:
    """A proxy on a loopback port of its own. ``upstream`` None: it answers with faults, and 404 otherwise."""

    def __init__(self, upstream: str | None) -> None:
        self.upstream = upstream
        self.requests: list[Request] = []
        self.released = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, address: None  # type: ignore[method-assign]  # faults are the point
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def fault(self, pattern: str, **what: object) -> Fault:
        """Arrange for a fault; earlier ones go first."""
        fault = Fault(pattern, **what)  # type: ignore[arg-type]  # the dataclass checks the names
        with self._lock:
            self._faults.append(fault)
        return fault

    def seen(self, pattern: str) -> list[Request]:
        """Return the requests so far whose ``METHOD PATH`` matches."""
        with self._lock:
            return [request for request in self.requests if re.search(pattern, request.line)]

    def take(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.pattern, request.line):
                    fault.times -= 1
                    return fault
        return None

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def fault_proxy(upstream: str | None = None) -> Iterator[FaultProxy]:
    """Run a proxy to ``upstream`` (``host:port``), or to nowhere."""
    proxy = FaultProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.take(Request(self.command, self.path, dict(self.headers))) or Fault("")
            if fault.reset:
                self._reset()
            elif fault.status is not None:
                self._reply(fault, fault.status, dict(fault.headers), [fault.body], len(fault.body))
            elif proxy.upstream is None:
                self._reply(fault, 404, {}, [b""], 0)
            else:
                self._forward(fault, proxy.upstream, body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815  # named by http.server

        def _forward(self, fault: Fault, upstream: str, body: bytes) -> None:
            unwanted = {*_HOP, *map(str.lower, fault.drop_request)}
            headers = {k: v for k, v in self.headers.items() if k.lower() not in unwanted}
            connection = http.client.HTTPConnection(upstream, timeout=20)
            try:
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                replied = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
                length = int(replied.pop("Content-Length", 0))
                self._reply(fault, answer.status, replied, iter(lambda: answer.read(64 << 10), b""), length)
            finally:
                connection.close()

        def _reply(self, fault: Fault, status: int, headers: dict[str, str], pieces, length: int) -> None:
            self.send_response(status)
            for name, value in {**headers, **fault.amend}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "HEAD":
                return
            limit = fault.cut if fault.cut is not None else fault.stall
            sent = 0
            for piece in pieces:
                piece = piece if limit is None else piece[: limit - sent]
                self.wfile.write(piece)
                sent += len(piece)
                if limit is not None and sent >= limit:
                    break
            self.wfile.flush()
            if fault.stall is not None:
                proxy.released.wait(20)
            if fault.cut is not None or fault.stall is not None:
                self.close_connection = True  # what was written still arrives, then an early end

        def _reset(self) -> None:
            # SO_LINGER of 0 seconds: closing sends RST, as a peer that died does.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    return Handler
