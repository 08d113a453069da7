"""Keep volumes as directories of this machine, or mount there what a volume's options name.

A volume is a directory ``NAME`` below the root, with its content in ``_data``. One with options has these in
``options.json``; it is mounted at ``_data`` while containers use it, each of which has an empty file in ``users``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping

import msgspec

from sampan.contracts.volume import VolumeDriver
from sampan.errors import Conflict, Denied, InvalidInput, NotFound, OutOfSpace, SampanError
from sampan.kernel import mount

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_LONGEST = 255
# What each option is of no use without.
_NEEDS = {"type": ("device",), "device": ("type",), "o": ("type", "device")}


class LocalVolumes(VolumeDriver):
    """Directories below ``root``, which is made if need be."""

    def __init__(self, root: str) -> None:
        self._root = root
        # Passed through by users of the containers' own user namespaces; what is listed there is nobody's business.
        os.makedirs(root, mode=0o711, exist_ok=True)

    def create(self, name: str, options: Mapping[str, str]) -> None:
        """Make the directory."""
        where = self._where(name)
        _check(options)
        try:
            os.makedirs(where, mode=0o701, exist_ok=True)
            if options:
                os.makedirs(f"{where}/users", mode=0o700, exist_ok=True)
                self._write(where, options)
            os.makedirs(f"{where}/_data", mode=0o755, exist_ok=True)
        except OSError as error:
            raise _translated(name, error) from error

    def remove(self, name: str) -> None:
        """Remove the directory; first of all ``_data``, without which it is no volume."""
        from sampan.layers import removal

        where = f"{self._root}/{name}"
        if _problem(name) or not os.path.isdir(where):
            return
        if os.path.ismount(f"{where}/_data"):
            if os.listdir(f"{where}/users"):
                raise Conflict(f"volume {name} is mounted", "stop the containers that use it first")
            mount.unmount(f"{where}/_data")
        removal.remove_tree(where)

    def mount(self, name: str, user: str) -> str:
        """Return ``_data``, with what the options name mounted there."""
        where = self._where(name)
        data = f"{where}/_data"
        if not os.path.isdir(data):
            raise NotFound(f"no such volume: {name}")
        options = self._options(where)
        if not options:
            return data
        _touch(f"{where}/users/{user}")
        if os.path.ismount(data):
            return data
        try:
            _mount(options, data)
        except OSError as error:
            os.unlink(f"{where}/users/{user}")
            raise _translated(name, error) from error
        except SampanError:
            os.unlink(f"{where}/users/{user}")
            raise
        return data

    def unmount(self, name: str, user: str) -> None:
        """Unmount it after its last user."""
        where = self._where(name)
        try:
            os.unlink(f"{where}/users/{user}")
        except (FileNotFoundError, NotADirectoryError):
            return  # it has no options, or is unmounted
        if not os.listdir(f"{where}/users"):
            mount.unmount(f"{where}/_data")

    def where(self, name: str) -> str:
        """Return the directory."""
        return f"{self._where(name)}/_data"

    def walk(self) -> Iterator[str]:
        """Yield the names of the directories."""
        for name in os.listdir(self._root):
            if os.path.isdir(f"{self._root}/{name}/_data"):
                yield name

    def _where(self, name: str) -> str:
        if problem := _problem(name):
            raise InvalidInput(problem)
        return f"{self._root}/{name}"

    def _write(self, where: str, options: Mapping[str, str]) -> None:
        with open(f"{where}/options.json.new", "wb") as file:
            file.write(msgspec.json.encode(options))
        os.rename(f"{where}/options.json.new", f"{where}/options.json")

    def _options(self, where: str) -> dict[str, str]:
        try:
            with open(f"{where}/options.json", "rb") as file:
                return msgspec.json.decode(file.read(), type=dict[str, str])
        except FileNotFoundError:
            return {}


def _problem(name: str) -> str:
    if len(name) == 1:
        return "volume name is too short, names should be at least two alphanumeric characters"
    if not 0 < len(name) <= _LONGEST or not _NAME.issuperset(name) or not name[0].isalnum():
        return (
            f'"{name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are '
            "allowed. If you intended to pass a host directory, use absolute path"
        )
    return ""


def _check(options: Mapping[str, str]) -> None:
    for option in options:
        if option not in _NEEDS:
            raise InvalidInput(f'invalid option: "{option}"', "the options are type, device and o")
    for option, needed in _NEEDS.items():
        for other in needed if option in options else ():
            if other not in options:
                raise InvalidInput(f'missing required option: "{other}"')


def _mount(options: Mapping[str, str], where: str) -> None:
    words = [word for word in options.get("o", "").split(",") if word]
    kind, device = options["type"], options["device"]
    if kind.startswith("nfs"):
        words = [_resolved(word) for word in words]
    mount.mount(kind, device, where, words)


def _resolved(word: str) -> str:
    """Return an NFS option with the server's name replaced by its address, which is all that the kernel takes."""
    key, _, host = word.partition("=")
    if key != "addr":
        return word
    import socket

    from sampan.errors import Unavailable

    try:
        return f"addr={socket.gethostbyname(host)}"
    except OSError as error:
        raise Unavailable(f"cannot find the address of {host}: {error.strerror}") from error


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _translated(name: str, error: OSError) -> SampanError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"no space left to make volume {name}", "free some space and try again")
    if error.errno in (errno.EPERM, errno.EACCES):
        return Denied(f"not permitted to make or mount volume {name}: {error.strerror}")
    return InvalidInput(f"failed to mount local volume {name}: {(error.strerror or str(error)).lower()}")
