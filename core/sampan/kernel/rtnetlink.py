"""Put messages of rtnetlink together, and read them, with pyroute2's message classes.

Importing anything of pyroute2 runs its root module, which imports the whole library, asyncio and ssl included:
130-160 ms on the way to a container that starts in a third of that. Its message classes alone take 15-35 ms. So they
are imported with a bare parent module in the root's place, which is taken away again at once, together with
what was imported below it: a later ``import pyroute2`` by anybody gets the whole library, untouched.
This happens in ``import_alone`` and nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sampan.kernel.netlink import REQUEST, Message

if TYPE_CHECKING:
    from sampan.kernel.rtnetlink_messages import Messages


class Request(Message):
    """One message by its type, its flags, a class of pyroute2's, header fields and attributes."""

    def __init__(
        self, kind: int, flags: int, message: Any, fields: dict[str, Any], attrs: Sequence[Any] = ()
    ) -> None:
        super().__init__(kind, flags)
        self._message = message
        self._fields = fields
        self._attrs = attrs

    def encode(self, sequence: int) -> bytes:
        """Return the message as it goes over the socket."""
        message = self._message()
        message["header"]["type"] = self.kind
        message["header"]["flags"] = self.flags | REQUEST
        message["header"]["sequence_number"] = sequence
        message["header"]["pid"] = 0
        for name, value in self._fields.items():
            message[name] = value
        message["attrs"] = list(self._attrs)
        message.encode()
        return bytes(message.data)


def decode(message_class: Any, message: bytes) -> Any:
    """Decode one answer."""
    decoded = message_class(message)
    decoded.decode()
    return decoded


def messages() -> Messages:
    """Return the message classes. Not for use while another thread imports pyroute2."""
    from sampan.kernel.rtnetlink_messages import MESSAGES

    return MESSAGES


def import_alone(*names: str) -> list[ModuleType]:
    """Import modules of pyroute2 without its root, as a copy that nobody else sees."""
    from importlib import import_module
    from importlib.machinery import PathFinder

    spec = None if "pyroute2" in sys.modules else PathFinder.find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        return [import_module(name) for name in names]
    parent = ModuleType("pyroute2")
    parent.__path__ = list(spec.submodule_search_locations)
    sys.modules["pyroute2"] = parent
    try:
        return [import_module(name) for name in names]
    finally:
        for key in [key for key in sys.modules if key == "pyroute2" or key.startswith("pyroute2.")]:
            del sys.modules[key]
