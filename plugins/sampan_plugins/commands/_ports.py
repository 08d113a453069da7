"""Read the values of ``--publish``, in Docker's words where they are wrong, and write ports as ``ps`` does."""

from __future__ import annotations

from collections.abc import Iterable

from sampan.errors import InvalidInput
from sampan.model.network import PortMapping
from sampan_plugins.commands._checks import is_address

_PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST = 0xFFFF


def published(text: str) -> tuple[PortMapping, ...]:
    """Return what ``[[ADDRESS:][HOST_PORT]:]PORT[/PROTOCOL]``, of ports or ranges of them, asks for.

    ``published=HOST_PORT,target=PORT,protocol=PROTOCOL`` is taken too. Raises InvalidInput.
    """
    given = _notation(text) if "=" in text else text
    left, _, right = given.rpartition(":")
    address, colon, host = left.rpartition(":")
    address = _address(address) if colon else ""
    inside, protocol, *_ = (*right.split("/"), "")
    if not inside:
        raise InvalidInput(f"no port specified: {given}<empty>")
    first, last = _range(inside, "containerPort")
    host_first, host_last = _range(host, "hostPort") if host else (0, 0)
    if (protocol := protocol.lower() or "tcp") not in _PROTOCOLS:
        raise InvalidInput(f"invalid proto: {protocol}")
    if last == first:
        return (PortMapping(port=first, protocol=protocol, address=address, first=host_first, last=host_last),)
    if host and host_last - host_first != last - first:
        raise InvalidInput(f"invalid ranges specified for container and host Ports: {inside} and {host}")
    return tuple(
        PortMapping(port=port, protocol=protocol, address=address, first=outside, last=outside)
        for port in range(first, last + 1)
        for outside in (host_first and host_first + port - first,)
    )


def _notation(text: str) -> str:
    """Return fields with names as the shorter notation."""
    fields = {"published": "", "target": "", "protocol": "tcp"}
    for field in text.split(","):
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise InvalidInput(f"invalid publish opts format (should be name=value but got '{field}')")
        fields[name] = value
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _address(text: str) -> str:
    """Return an address, which if it is of IPv6 may be in brackets; empty means every one."""
    address = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if address and not is_address(address):
        raise InvalidInput(f"invalid IP address: {address}")
    return address


def _range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    numbers = [first, last if dash else first]
    if not all(number.isascii() and number.isdecimal() and int(number) <= _HIGHEST for number in numbers):
        raise InvalidInput(f"invalid {what}: {text}")
    begin, end = map(int, numbers)
    if end < begin:
        raise InvalidInput(f"invalid {what}: {text}")
    return begin, end


def written(found: Iterable[PortMapping]) -> str:
    """Return ports as ``ps`` lists them: those that the host has under another number at the end.

    Those that follow each other, and have no other number on the host, are one range.
    """
    ranges: dict[tuple[str, str], tuple[int, int]] = {}
    closed, moved = [], []
    for one in sorted(found, key=lambda one: (one.port, one.address, one.first, one.protocol)):
        if one.address and one.first != one.port:
            moved.append(f"{_joined(one.address, str(one.first))}->{one.name}")
            continue
        kind = (one.address, one.protocol)
        first, last = ranges.get(kind, (one.port, one.port - 1))
        if last != one.port - 1:
            closed.append(_group(*kind, first, last))
            first = one.port
        ranges[kind] = (first, one.port)
    return ", ".join([*closed, *(_group(*kind, *span) for kind, span in ranges.items()), *moved])


def _group(address: str, protocol: str, first: int, last: int) -> str:
    ports = f"{first}" if first == last else f"{first}-{last}"
    return f"{_joined(address, ports)}->{ports}/{protocol}" if address else f"{ports}/{protocol}"


def _joined(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
