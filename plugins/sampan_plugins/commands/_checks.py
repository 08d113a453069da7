"""Parse and check the values of single flags of a new container, in Docker's words where they are wrong."""

from __future__ import annotations

import os
import re
import socket

from sampan.errors import InvalidInput
from sampan.model.container import DeviceLimit, Ulimit, Volume

_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
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


def domain(text: str) -> str:
    """Return a domain to search, or the dot that means none: labels, not all of them numbers."""
    name = text.strip()
    known = len(name) < 255 and re.fullmatch(rf"({_LABEL}\.)*{_LABEL}\.?", name) and re.search("[a-zA-Z]", name)
    if name != "." and not known:
        raise InvalidInput(f"{text} is not a valid domain")
    return name


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


def uint16(text: str) -> int:
    """Return a whole number below 65536."""
    return _unsigned(text, 1 << 16)


def _unsigned(text: str, bound: int) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInput(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) >= bound:
        raise InvalidInput(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def swappiness(text: str) -> int:
    """Return a percentage, or -1 for the machine's own."""
    return _limit(text)


def weight(text: str) -> DeviceLimit:
    """Return the weight that ``DEVICE:WEIGHT`` means."""
    path, amount = _of_device(text)
    if not amount.isdecimal() or not (amount == "0" or 10 <= int(amount) <= 1000):
        raise InvalidInput(f"invalid weight for device: {text}")
    return DeviceLimit(path, int(amount))


def bps(text: str) -> DeviceLimit:
    """Return the bytes per second that ``DEVICE:RATE`` means, with a binary unit."""
    from sampan.cli.units import parse_memory

    path, amount = _of_device(text)
    try:
        return DeviceLimit(path, parse_memory(amount))
    except InvalidInput:
        raise InvalidInput(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a "
            "positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def iops(text: str) -> DeviceLimit:
    """Return the operations per second that ``DEVICE:RATE`` means."""
    path, amount = _of_device(text)
    if not amount.isdecimal():
        raise InvalidInput(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive "
            "integer"
        )
    return DeviceLimit(path, int(amount))


def _of_device(text: str) -> tuple[str, str]:
    path, colon, amount = text.partition(":")
    if not colon or not path:
        raise InvalidInput(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise InvalidInput(f"bad format for device path: {text}")
    return path, amount


def rule(text: str) -> str:
    """Return a rule of the device cgroup: ``TYPE MAJOR:MINOR ACCESS``."""
    from sampan.engine.confinement import parse_device_rule

    parse_device_rule(text)
    return text


def gpus(text: str) -> str:
    """Return a request for GPUs: ``all``, a number, or ``key=value`` fields."""
    for field in text.split(","):
        key, equals, value = field.partition("=")
        count = value if equals and key == "count" else "" if equals else field
        if count and count != "all" and not count.lstrip("-").isdecimal():
            raise InvalidInput(
                f'invalid count ({count}): value must be either "all" or an integer: invalid syntax'
            )
    return text


def exposed(text: str) -> tuple[str, ...]:
    """Return the ports of ``PORT[-PORT][/PROTOCOL]``, each with its protocol."""
    numbers, _, protocol = text.partition("/")
    first, dash, last = numbers.partition("-")
    try:
        begin, end = _unsigned(first, 1 << 16), _unsigned(last if dash else first, 1 << 16)
        if end < begin:
            raise InvalidInput(f"invalid range specified for port: {numbers}")
    except InvalidInput as error:
        raise InvalidInput(f"invalid range format for --expose: {text}, error: {error.message}") from None
    return tuple(f"{port}/{protocol.lower() or 'tcp'}" for port in range(begin, end + 1))


def processors(text: str, what: str, where: str) -> None:
    """Check a list of numbers and ranges, as ``0-2,5``, against those that the file ``where`` says there are."""
    with open(where, encoding="ascii") as file:
        present = file.read().strip()
    try:
        wanted = _numbers(text)
    except ValueError:
        raise InvalidInput(f"Invalid value {text} for cpuset {what}: invalid format: {text}") from None
    if not wanted <= _numbers(present):
        name = "CPUs" if what == "cpus" else "memory nodes"
        raise InvalidInput(f"Requested {name} are not available - requested {text}, available: {present}")


def _numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        found.update(range(int(first), int(last if dash else first) + 1))
    return found


def mount(text: str) -> Volume:
    """Return what ``--mount`` asks for."""
    from sampan_plugins.commands._volumes import mount

    return mount(text)
