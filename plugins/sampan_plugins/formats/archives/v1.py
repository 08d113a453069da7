"""Describe layers as Docker did before 1.10, each with a document of its own (moby, image/spec/v1.md).

Encoded again, a document is what Docker's engine makes of it: unknown members gone, the others in its order.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_NEVER = "0001-01-01T00:00:00Z"


class Config(msgspec.Struct, rename="pascal"):
    """A container's configuration, in Docker's order; what is UNSET is left out when it is empty."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: list[str] | str | None = None
    image: str = ""
    volumes: dict[str, Any] | None = None
    working_dir: str = ""
    entrypoint: list[str] | str | None = None
    network_disabled: bool | msgspec.UnsetType = msgspec.UNSET
    mac_address: str | msgspec.UnsetType = msgspec.UNSET
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None

    def __post_init__(self) -> None:
        for name in ("exposed_ports", "network_disabled", "mac_address"):
            if not getattr(self, name):
                setattr(self, name, msgspec.UNSET)
        for name in ("cmd", "entrypoint"):
            if isinstance(line := getattr(self, name), str):
                setattr(self, name, [line])


class Document(msgspec.Struct, omit_defaults=True):
    """What a layer's ``json`` tells of it, and of the image of which it is the top; times as Go writes them."""

    parent: str = ""
    comment: str = ""
    created: str = ""
    container: str = ""
    container_config: Config | None = None
    docker_version: str = ""
    author: str = ""
    config: Config | None = None
    architecture: str = ""
    os: str = ""

    def __post_init__(self) -> None:
        self.created = re.sub(r"\.?0+(?=[^0-9.]*$)", "", self.created) if "." in self.created else self.created
        self.created = self.created or _NEVER
        self.container_config = self.container_config or Config()
