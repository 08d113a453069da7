"""Keep volumes at one of Docker's volume plugins.

The plugin has the volumes; what is kept here, in a file ``NAME.json`` below the root, is whether the volume was made
through us, and who has it mounted. A plugin may count the users of a volume rather than know them, and so hears of each
of them once. Of one that left while the plugin could not be reached it hears when the volume is used next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sampan.contracts.volume import VolumeDriver
from sampan.errors import Conflict, InvalidInput, NotFound, Unavailable
from sampan_plugins.volumes.docker_plugin.protocol import Plugin, Refused

_ENDING = ".json"


class _Record(msgspec.Struct, frozen=True):
    """``made``: the plugin had none of this name before. ``users`` have it mounted, or were about to; ``gone`` had."""

    made: bool
    users: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()


class PluginVolumes(VolumeDriver):
    """The volumes of one plugin that were asked for here; ``root`` is made if need be."""

    def __init__(self, root: str, plugin: Plugin) -> None:
        self._root = root
        self._plugin = plugin
        os.makedirs(root, mode=0o700, exist_ok=True)

    def create(self, name: str, options: Mapping[str, str]) -> None:
        """Have the plugin make it. One that the plugin has already is used as it is, as Docker does."""
        if not _possible(name):
            raise InvalidInput(f'"{name}" includes invalid characters for a volume name')
        there, record = self._there(name), self._record(name)
        if record is None:
            self._write(name, _Record(made=not there))
        if there:
            return
        try:
            self._plugin.ask("Create", Name=name, Opts=dict(options))
        except Refused as error:
            self._forget(name)
            raise InvalidInput(error.message) from error

    def remove(self, name: str) -> None:
        """Have the plugin remove what it made for us; what it had before stays there, and is forgotten here."""
        record = self._record(name)
        if record is None:
            return
        if record.users:
            raise Conflict(f"volume {name} is mounted", "stop the containers that use it first")
        self._settle(name, record)
        if record.made and self._there(name):
            try:
                self._plugin.ask("Remove", Name=name)
            except Refused as error:
                raise Conflict(error.message) from error
        self._forget(name)

    def mount(self, name: str, user: str) -> str:
        """Return the directory that the plugin tells."""
        record = self._record(name)
        if record is None:
            raise NotFound(f"no such volume: {name}")
        record = self._settle(name, record)
        self._write(name, msgspec.structs.replace(record, users=record.users | {user}))
        try:
            where = self._plugin.ask("Mount", Name=name, ID=user).get("Mountpoint")
        except Refused as error:
            self._write(name, record)
            raise Unavailable(error.message) from error
        if not isinstance(where, str) or not os.path.isdir(where):
            self.unmount(name, user)
            raise Unavailable(f"Docker plugin {self._plugin.name} mounted {name} at {where!r}, which is no directory")
        return where

    def unmount(self, name: str, user: str) -> None:
        """Have the plugin unmount it, as soon as it can be reached."""
        record = self._record(name)
        if record is None or user not in record.users:
            return
        record = msgspec.structs.replace(record, users=record.users - {user}, gone=record.gone | {user})
        self._write(name, record)
        try:
            self._settle(name, record)
        except (Unavailable, NotFound):
            return  # a container must be able to end without it

    def _settle(self, name: str, record: _Record) -> _Record:
        """Tell the plugin who is gone. One that refuses has been restarted, or has never mounted it for them."""
        for user in sorted(record.gone):
            try:
                self._plugin.ask("Unmount", Name=name, ID=user)
            except Refused:
                pass  # what nobody has mounted any more is unmounted
            record = msgspec.structs.replace(record, gone=record.gone - {user})
            self._write(name, record)
        return record

    def where(self, name: str) -> str:
        """Return what the plugin tells; some tell nothing while the volume is not mounted."""
        try:
            return str(self._plugin.ask("Path", Name=name).get("Mountpoint") or "")
        except Refused:
            return ""

    def walk(self) -> Iterator[str]:
        """Yield those asked for here that the plugin still has. It may have others, which are others' affair."""
        known = {file.removesuffix(_ENDING) for file in os.listdir(self._root) if file.endswith(_ENDING)}
        if known:
            listed = self._plugin.ask("List").get("Volumes") or []
            yield from sorted(known.intersection(volume["Name"] for volume in listed))

    def status(self, name: str) -> Mapping[str, Any]:
        """Return the plugin's ``Status``."""
        try:
            return self._plugin.ask("Get", Name=name)["Volume"].get("Status") or {}
        except Refused as error:
            raise NotFound(f"no such volume: {name}") from error

    def scope(self) -> str:
        """Return what the plugin says. Old ones do not know the question."""
        try:
            return str(self._plugin.ask("Capabilities")["Capabilities"]["Scope"])
        except (Refused, LookupError, TypeError):
            return super().scope()

    def _there(self, name: str) -> bool:
        # The protocol does not tell "there is none" from other refusals: Docker takes any for it as well.
        try:
            return bool(self._plugin.ask("Get", Name=name).get("Volume"))
        except Refused:
            return False

    def _record(self, name: str) -> _Record | None:
        if not _possible(name):
            return None
        try:
            with open(f"{self._root}/{name}{_ENDING}", "rb") as file:
                return msgspec.json.decode(file.read(), type=_Record)
        except FileNotFoundError:
            return None

    def _write(self, name: str, record: _Record) -> None:
        with open(f"{self._root}/.{name}", "wb") as file:
            file.write(msgspec.json.encode(record))
        os.rename(file.name, f"{self._root}/{name}{_ENDING}")

    def _forget(self, name: str) -> None:
        os.unlink(f"{self._root}/{name}{_ENDING}")


def _possible(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name
