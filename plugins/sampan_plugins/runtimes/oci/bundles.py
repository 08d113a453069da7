"""Read what a runc-compatible program is given, and write what it is to run besides."""

from __future__ import annotations

import os

import msgspec

from sampan.errors import InvalidInput
from sampan.model import runtime_spec as oci


def read(bundle: str) -> oci.Spec:
    """Return a bundle's spec, which the program itself reads. Raises InvalidInput."""
    path = f"{bundle}/config.json"
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=oci.Spec)
    except FileNotFoundError as error:
        raise InvalidInput(f"no such bundle: {path} does not exist") from error
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{path} is not valid: {error}") from error


def first_process(bundle: str) -> oci.Process:
    """Return the process of a bundle. Raises InvalidInput."""
    process = read(bundle).process
    if process is None:
        raise InvalidInput(f"{bundle}/config.json lacks process")
    if not process.args:
        raise InvalidInput("no command specified")
    return process


def write_process(process: oci.Process, path: str) -> None:
    """Write a process that is to join a container (``runc exec --process``)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(process))
