"""Remember a driver's networks in its root: a directory for each, whose record outlives a boot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from sampan.errors import Corrupt, InvalidInput
from sampan.model.network import Network

R = TypeVar("R", bound=msgspec.Struct)


def directory(root: str, network: Network) -> str:
    """Return the network's own directory. Raises InvalidInput for an id that is no file name."""
    if not network.id or "/" in network.id or network.id.startswith("."):
        raise InvalidInput(f"invalid network id {network.id!r}")
    return f"{root}/{network.id}"


def load(where: str, kind: type[R]) -> R | None:
    """Read the record in a network's directory, None when there is none. Raises Corrupt."""
    return read(f"{where}/network.json", kind)


def read(path: str, kind: type[R]) -> R | None:
    """Read what was written so, None when there is none. Raises Corrupt."""
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Corrupt(f"{path} cannot be read: {error}", "remove the file") from error


def save(where: str, record: msgspec.Struct) -> None:
    """Keep a record, over a power cut too. The caller holds the driver's lock."""
    os.makedirs(where, mode=0o700, exist_ok=True)
    write(f"{where}/network.json", record)


def write(path: str, value: msgspec.Struct) -> None:
    """Replace a file by what is to be remembered, over a power cut too."""
    with open(f"{path}.new", "wb") as file:
        file.write(msgspec.json.encode(value))
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.new", path)


def forget(where: str) -> None:
    """Remove a network's directory, its record last, as a kill in between must leave it known."""
    for name in sorted(os.listdir(where), key="network.json".__eq__):
        os.unlink(f"{where}/{name}")
    os.rmdir(where)


def walk(root: str, kind: type[R]) -> Iterator[R]:
    """Yield every record."""
    for name in sorted(os.listdir(root)):
        record = load(f"{root}/{name}", kind)
        if record:
            yield record
