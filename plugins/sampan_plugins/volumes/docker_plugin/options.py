"""Find Docker's plugins where Docker looks for them.

A plugin has a socket ``NAME.sock``, or a file that tells its address: ``NAME.spec``, which is the address, or
``NAME.json``, in which it is ``Addr``. Each may lie in a directory ``NAME``. Sockets come first, then the directories
of such files in order (https://docs.docker.com/engine/extend/plugin_api/).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, Self

import msgspec

from sampan.errors import InvalidInput, NotFound, Unsupported


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table in the configuration: directories, with colons between, and the seconds to wait for an answer."""

    sockets: str = "/run/docker/plugins"
    specs: str = "/etc/docker/plugins:/usr/lib/docker/plugins"
    timeout: float = 120

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Return the table checked. Raises InvalidInput."""
        try:
            return msgspec.convert(dict(options), cls)
        except msgspec.ValidationError as error:
            raise InvalidInput(
                f"wrong options for volumes/docker-plugin: {error}", "they are sockets, specs and timeout"
            ) from error

    def find(self, name: str) -> str:
        """Return a plugin's address, ``unix://PATH`` or ``tcp://HOST:PORT``.

        Raises NotFound, and InvalidInput or Unsupported for a file that tells no such address.
        """
        if "/" not in name and "\0" not in name and not name.startswith("."):
            for directory in self.sockets.split(":"):
                for path in _places(directory, name, ".sock"):
                    if _is_socket(path):
                        return f"unix://{path}"
            for directory in self.specs.split(":"):
                for path in (*_places(directory, name, ".spec"), *_places(directory, name, ".json")):
                    if os.path.isfile(path):
                        return _address(path)
        raise NotFound(
            f'error looking up volume plugin {name}: plugin "{name}" not found',
            "`sampan plugin ls` has Sampan's own drivers; Docker's have a socket in " + self.sockets,
        )


def _places(directory: str, name: str, ending: str) -> Iterator[str]:
    yield f"{directory}/{name}{ending}"
    yield f"{directory}/{name}/{name}{ending}"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


class _Document(msgspec.Struct):
    address: str = msgspec.field(name="Addr")
    tls: Any = msgspec.field(name="TLSConfig", default=None)


def _address(path: str) -> str:
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".spec"):
        address = content.decode(errors="replace").strip()
    else:
        try:
            document = msgspec.json.decode(content, type=_Document)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{path} does not describe a plugin: {error}") from error
        address = document.address
        if document.tls:
            raise Unsupported(f"the plugin of {path} wants TLS", "none is spoken yet: unix:// and plain tcp:// are")
    if not address.startswith(("unix:///", "tcp://")):
        raise InvalidInput(f"{path} tells no address of a plugin: {address!r}", "write unix:///PATH or tcp://HOST:PORT")
    return address
