"""Ask a Docker plugin: HTTP with JSON both ways, over a Unix socket or TCP.

Every question is a POST of ``/METHOD``. A failure is told as ``Err`` in the answer. Before anything else a plugin says
which protocols it speaks (https://docs.docker.com/engine/extend/plugin_api/ and plugins_volume/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sampan.errors import PluginFault, SampanError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPConnection

_ACCEPTED = "application/vnd.docker.plugins.v1.2+json"
_PROTOCOL = "VolumeDriver"


class Refused(SampanError):
    """The plugin did not do what it was asked to, and says why."""


class Plugin:
    """The plugin called ``name``, which may take ``timeout`` seconds for an answer.

    ``find`` returns its address, ``unix://PATH`` or ``tcp://HOST:PORT``.
    """

    def __init__(self, name: str, find: Callable[[], str], timeout: float) -> None:
        self.name = name
        self._find = find
        self._timeout = timeout
        self._greeted = False

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Return a method's answer.

        Raises Refused, Unavailable, PluginFault where it does not speak the protocol, and what ``find`` raises.
        """
        if not self._greeted:
            protocols = self._call("Plugin.Activate", None).get("Implements") or []
            if _PROTOCOL not in protocols:
                raise PluginFault(f"Docker plugin {self.name} is no volume driver: it speaks {protocols}")
            self._greeted = True
        return self._call(f"{_PROTOCOL}.{method}", arguments)

    def _call(self, method: str, arguments: dict[str, Any] | None) -> dict[str, Any]:
        status, content = self._exchanged(method, msgspec.json.encode(arguments) if arguments is not None else b"")
        try:
            answer = msgspec.json.decode(content or b"{}", type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if status == 200:
                raise PluginFault(f"Docker plugin {self.name} answers {method} with what is no JSON object") from error
            answer = {"Err": " ".join(content.decode(errors="replace").split()) or f"HTTP status {status}"}
        if answer.get("Err") or status != 200:
            raise Refused(f"{method}: {answer.get('Err') or f'HTTP status {status}'}")
        return answer

    def _exchanged(self, method: str, content: bytes) -> tuple[int, bytes]:
        from http.client import HTTPException

        address = self._find()
        connection = _connection(address, self._timeout)
        try:
            connection.request("POST", f"/{method}", content, {"Accept": _ACCEPTED, "Content-Type": _ACCEPTED})
            response = connection.getresponse()
            return response.status, response.read()
        except TimeoutError as error:
            raise Unavailable(f"Docker plugin {self.name} did not answer {method} in {self._timeout:g} s") from error
        except (OSError, HTTPException) as error:
            problem = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
            raise Unavailable(
                f"Docker plugin {self.name} does not answer at {address}: {problem}", "start the plugin"
            ) from error
        finally:
            connection.close()


def _connection(address: str, timeout: float) -> HTTPConnection:
    import http.client
    import socket

    scheme, _, place = address.partition("://")
    if scheme == "tcp":
        return http.client.HTTPConnection(place, timeout=timeout)

    class OverSocket(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(place)

    return OverSocket("plugin", timeout=timeout)
