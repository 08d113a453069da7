"""Parse and check the values of single flags of a new container, in Docker's words where they are wrong."""

from __future__ import annotations

import os
import socket

from sampan.errors import InvalidInput
from sampan.model.container import Ulimit, Volume

_ULIMITS = frozenset((
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
))  # fmt: skip


def env(text: str) -> str:
    """Return ``KEY=value``; a bare KEY takes the caller's value, or stays bare, which unsets it, when there is none."""
    key, equals, _ = text.partition("=")
    if not key:
        raise InvalidInput(f"invalid environment variable: {text}")
    if equals or key not in os.environ:
        return text
    return f"{key}={os.environ[key]}"


def label(text: str) -> str:
    """Return ``key=value`` or ``key``."""
    if text.startswith("="):
        raise InvalidInput(f"invalid label '{text}': empty name")
    return text


def annotation(text: str) -> str:
    """Return ``key=value``."""
    if not text.partition("=")[0]:
        raise InvalidInput(f"invalid annotation '{text}': empty name")
    return text


def sysctl(text: str) -> str:
    """Return ``key=value`` for a parameter that belongs to a namespace."""
    key, equals, _ = text.partition("=")
    allowed = key.startswith(("net.", "fs.mqueue.", "kernel.msg", "kernel.shm")) or key == "kernel.sem"
    if not equals or not allowed:
        raise InvalidInput(f"sysctl '{text}' is not allowed")
    return text


def stream(text: str) -> str:
    """Return ``stdin``, ``stdout`` or ``stderr``."""
    name = text.lower()
    if name not in ("stdin", "stdout", "stderr"):
        raise InvalidInput("valid streams are STDIN, STDOUT and STDERR")
    return name


def is_address(text: str, *, only_v4: bool = False) -> bool:
    """Tell whether ``text`` is an IP address."""
    for family in (socket.AF_INET,) if only_v4 else (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
            return True
        except (OSError, ValueError):
            continue
    return False


def address(text: str) -> str:
    """Return an IP address."""
    if not is_address(text.strip()):
        raise InvalidInput(f"IP address is not correctly formatted: {text}")
    return text.strip()


def host(text: str) -> str:
    """Return ``HOST:IP``, which may be given as ``HOST=IP`` and ``HOST:[IP]``; ``host-gateway`` is an address too."""
    separator = "=" if "=" in text else ":"
    name, found, where = text.partition(separator)
    if not found or not name:
        raise InvalidInput(f'bad format for add-host: "{text}"')
    if where.startswith("[") and where.endswith("]"):
        where = where[1:-1]
    if where != "host-gateway" and not is_address(where):
        raise InvalidInput(f'invalid IP address in add-host: "{where}"')
    return f"{name}:{where}"


def cpus(text: str) -> int:
    """Return a number of CPUs in millionths of one."""
    from fractions import Fraction

    try:
        value = Fraction(text) * 10**9
    except (ValueError, ZeroDivisionError):
        raise InvalidInput(f"failed to parse {text} as a rational number") from None
    if value.denominator != 1:
        raise InvalidInput("value is too precise")
    return int(value) // 1000


def ulimit(text: str) -> Ulimit:
    """Return the limit that ``name=soft[:hard]`` means."""
    name, equals, values = text.partition("=")
    if not equals:
        raise InvalidInput(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise InvalidInput(f"invalid ulimit type: {name}")
    parts = values.split(":")
    if len(parts) > 2:
        raise InvalidInput(f"too many limit value arguments - {values}, can only have up to two, `soft[:hard]`")
    soft, *rest = (_limit(part) for part in parts)
    hard = rest[0] if rest else soft
    if hard != -1 and (soft == -1 or soft > hard):
        raise InvalidInput(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return Ulimit(name, soft, hard)


def _limit(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def mount(text: str) -> Volume:
    """Return what ``--mount`` asks for."""
    from sampan_plugins.commands._volumes import mount

    return mount(text)
