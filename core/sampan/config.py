"""One frozen settings object. The only place in core where a backend has a name: the defaults."""

from __future__ import annotations

from typing import Any

import msgspec


class RegistryHost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one registry is reached: plain HTTP or unverified TLS allowed, and mirrors to try first."""

    insecure: bool = False
    mirrors: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a user can set. ``storage`` is in order of preference: the first that works here serves.

    ``pins`` maps ``SLOT/NAME`` to the distribution that may claim it; ``options`` maps ``SLOT/NAME`` to the table
    handed to that plugin; ``registries`` maps a host, with its port, to how it is reached.
    """

    root: str = "/var/lib/sampan"
    run_root: str = "/run/sampan"
    storage: tuple[str, ...] = ("overlay2", "vfs")
    network: str = "bridge"
    runtime: str = "native"
    log_driver: str = "json-file"
    registry: str = "distribution"
    rootfs_format: str = "rootfs-tar"
    detach_keys: str = "ctrl-p,ctrl-q"
    pins: dict[str, str] = {}
    options: dict[str, dict[str, Any]] = {}
    registries: dict[str, RegistryHost] = {}
