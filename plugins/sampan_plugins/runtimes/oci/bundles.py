"""Rewrite a bundle so that every runc-compatible program takes it."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from sampan.errors import InvalidInput
from sampan.model import runtime_spec as oci


def derive(bundle: str, home: str) -> bool:
    """Write the bundle's configuration into the directory ``home``, made for it, with nothing left to defaults.

    Paths become absolute. Returns whether a terminal is asked for. Raises InvalidInput.
    """
    bundle = os.path.abspath(bundle)
    path = f"{bundle}/config.json"
    try:
        with open(path, "rb") as file:
            document = msgspec.json.decode(file.read(), type=dict[str, Any])
        process, root = document["process"], document["root"]
        if not process.get("args"):
            raise InvalidInput("no command specified")
        _complete(process)
        document.setdefault("ociVersion", oci.VERSION)
        root["path"] = os.path.normpath(os.path.join(bundle, root["path"]))
        for mount in document.get("mounts", ()):
            if {"bind", "rbind"}.intersection(mount.get("options", ())):
                mount["source"] = os.path.join(bundle, mount.get("source", ""))
    except FileNotFoundError as error:
        raise InvalidInput(f"no such bundle: {path} does not exist") from error
    except (msgspec.MsgspecError, KeyError, AttributeError) as error:
        raise InvalidInput(f"{path} is not valid: {error}") from error
    os.makedirs(home, mode=0o700)
    _write(f"{home}/config.json", document)
    return bool(process.get("terminal"))


def write_process(process: oci.Process, path: str, home: str) -> None:
    """Write a process to join the container whose derived bundle is ``home``, with no more privileges than it has."""
    document = msgspec.to_builtins(process)
    _complete(document)
    with open(f"{home}/config.json", "rb") as file:
        first = msgspec.json.decode(file.read(), type=dict[str, Any])["process"]
    if first.get("noNewPrivileges"):
        document["noNewPrivileges"] = True
    _write(path, document)


def _complete(process: dict[str, Any]) -> None:
    process.setdefault("cwd", "/")
    process.setdefault("user", {}).setdefault("uid", 0)
    process["user"].setdefault("gid", 0)


def _write(path: str, document: dict[str, Any]) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(document))
