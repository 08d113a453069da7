"""Work out where a registry's host is reached."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from sampan.errors import InvalidInput

HUB = "docker.io"
_HUB_ADDRESS = "registry-1.docker.io"


class Base(msgspec.Struct, frozen=True):
    """One way to a host: the address requests start with, and whether its certificate must be trusted."""

    url: str
    verify: bool = True


class Endpoint(msgspec.Struct, frozen=True):
    """A registry host and the ways to it, in the order to try. ``host`` is what its credentials are kept under."""

    host: str
    bases: tuple[Base, ...]
    mirror: bool = False

    @property
    def guarded(self) -> bool:
        """Whether nothing but verified TLS will do, so that secrets must never travel otherwise."""
        return all(base.verify for base in self.bases)


def endpoints(host: str, insecure: bool, mirrors: Sequence[str]) -> list[Endpoint]:
    """Return the mirrors' endpoints in order, then the host's own. Raises InvalidInput on a malformed mirror."""
    return [*(_mirror(address) for address in mirrors), Endpoint(host, _ways(host, insecure))]


def is_loopback(host: str) -> bool:
    """Tell whether a host, with or without port, is this machine by name or by address."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port: what credentials are bound to (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _ways(host: str, insecure: bool) -> tuple[Base, ...]:
    if insecure or is_loopback(host):
        return Base(f"https://{host}", verify=False), Base(f"http://{host}", verify=False)
    return (Base(f"https://{_HUB_ADDRESS if host == HUB else host}"),)


def _mirror(address: str) -> Endpoint:
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        host, _ = parts.netloc, parts.port
    except ValueError as error:
        raise InvalidInput(f"invalid registry mirror {address!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not host or "@" in host or parts.query or parts.fragment:
        raise InvalidInput(f"invalid registry mirror {address!r}",
                           "a mirror is http://HOST[:PORT] or https://HOST[:PORT]")
    verify = parts.scheme == "https" and not is_loopback(host)
    return Endpoint(host, (Base(f"{parts.scheme}://{host}{parts.path.rstrip('/')}", verify),), mirror=True)
