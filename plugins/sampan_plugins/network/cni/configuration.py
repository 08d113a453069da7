"""Read network configurations of CNI (specification 1.0.0, section 1), and what addresses they say there are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from sampan.errors import InvalidInput, NotFound, SampanError, Unsupported
from sampan.model import subnet as subnets
from sampan.model.network import Pool

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0")
_ENDINGS = (".conflist", ".conf", ".json")

Document: TypeAlias = dict[str, Any]
"""A JSON object."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A network configuration: the plugins that run one after the other, as objects."""

    name: str
    version: str
    plugins: tuple[Document, ...]
    disable_check: bool = False

    def takes(self, capability: str) -> bool:
        """Tell whether any plugin takes something of a container that is known only when it runs."""
        return any(plugin.get("capabilities", {}).get(capability) is True for plugin in self.plugins)

    def types(self) -> Iterator[str]:
        """Yield the name of every plugin that is run, also by another one to manage addresses."""
        for plugin in self.plugins:
            yield plugin["type"]
            manager = plugin.get("ipam", {}).get("type", "")
            if manager:
                yield manager


def find(directories: Sequence[str], name: str) -> Configuration:
    """Return the configuration of a network by its name. Raises NotFound, and what ``read`` raises."""
    seen = []
    for path in _files(directories):
        try:
            found = read(path)
        except SampanError as error:
            seen.append(error)
            continue
        if found.name == name:
            return found
    hint = f"{seen[0].message}" if seen else "-o config=PATH names the file of another"
    raise NotFound(f"no CNI configuration in {':'.join(directories)} is called {name}", hint)


def _files(directories: Sequence[str]) -> Iterator[str]:
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield from (f"{directory}/{name}" for name in names if name.endswith(_ENDINGS))


def read(path: str) -> Configuration:
    """Read a list of plugins, or a single one, from a file.

    Raises NotFound, InvalidInput where it is none, Unsupported for a version of the specification that we do not speak.
    """
    try:
        with open(path, "rb") as file:
            document = msgspec.json.decode(file.read())
    except OSError as error:
        raise NotFound(f"the CNI configuration {path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the CNI configuration {path} is not JSON: {error}") from error
    return _checked(path, document)


def _checked(path: str, document: Any) -> Configuration:
    if not isinstance(document, dict) or not _named(document.get("name")):
        raise InvalidInput(f"the CNI configuration {path} has no name")
    version = document.get("cniVersion", "")
    if version not in VERSIONS:
        raise Unsupported(
            f"the CNI configuration {path} is of version {version or 'none'}", f"known are {', '.join(VERSIONS)}"
        )
    plugins = document.get("plugins", [document])
    if not isinstance(plugins, list) or not plugins or not all(map(_sound, plugins)):
        raise InvalidInput(f"the CNI configuration {path} needs a list of plugins, each with a type")
    return Configuration(
        name=document["name"], version=version, plugins=tuple(plugins),
        disable_check=document.get("disableCheck") in (True, "true"),
    )


def _named(name: object) -> bool:
    return isinstance(name, str) and name[:1].isalnum() and all(c.isalnum() or c in "_.-" for c in name)


def _sound(plugin: object) -> bool:
    """Tell whether it is an object whose parts that we look at are of their kinds."""
    if not isinstance(plugin, dict) or not isinstance(plugin.get("type"), str):
        return False
    manager = plugin.get("ipam", {})
    parts = isinstance(manager, dict) and isinstance(plugin.get("capabilities", {}), dict)
    return parts and isinstance(manager.get("type", ""), str)


def pools(configuration: Configuration) -> tuple[Pool, ...]:
    """Return the subnets that addresses are given from, as far as the configuration says so in a way that we know."""
    found = []
    for plugin in configuration.plugins:
        for entry in _ranges(plugin.get("ipam", {})):
            try:
                subnet = subnets.parse(_network(entry["subnet"]))
            except InvalidInput:
                continue  # its plugin may take it, or will say why not
            gateway = str(entry.get("gateway") or subnet.text(subnet.base + 1))
            found.append(Pool(subnet=str(subnet), gateway=gateway))
    return tuple(found)


def _network(text: str) -> str:
    """Return a subnet that is given by any of its addresses by its first."""
    address, _, length = text.partition("/")
    ipv6 = ":" in address
    bits = max((128 if ipv6 else 32) - int(length), 0) if length.isdecimal() else 0
    return f"{subnets.text(subnets.number(address) >> bits << bits, ipv6)}/{length}"


def _ranges(manager: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what says a subnet: the manager itself, as of old, or a range of one of its sets (host-local)."""
    sets = manager.get("ranges", [])
    nested = [entry for one in sets if isinstance(one, list) for entry in one] if isinstance(sets, list) else []
    for entry in (manager, *nested):
        if isinstance(entry, dict) and isinstance(entry.get("subnet"), str):
            yield entry
