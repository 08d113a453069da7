"""Calculate with IPv4 subnets as plain numbers.

The standard ipaddress module would do, for 4 ms of import on the way to every container.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import msgspec

from sampan.errors import InvalidInput


class Subnet(msgspec.Struct, frozen=True):
    """An IPv4 subnet: its first address as a number, and its prefix length in bits."""

    base: int
    prefix: int

    @property
    def size(self) -> int:
        """How many addresses it spans, network and broadcast included."""
        return 1 << (32 - self.prefix)

    @property
    def broadcast(self) -> int:
        """Its last address."""
        return self.base + self.size - 1

    def __contains__(self, address: int) -> bool:
        return self.base <= address <= self.broadcast

    def overlaps(self, other: Subnet) -> bool:
        """Tell whether any address is in both."""
        return self.base <= other.broadcast and other.base <= self.broadcast

    def hosts_after(self, address: int) -> Iterator[int]:
        """Yield every host address once, rising from the one after ``address`` and wrapping around."""
        first, count = self.base + 1, max(self.size - 2, 0)
        for step in range(1, count + 1):
            yield first + (address - first + step) % count

    def __str__(self) -> str:
        return f"{text(self.base)}/{self.prefix}"


def parse(subnet: str) -> Subnet:
    """Parse CIDR notation. Raises InvalidInput, also on host bits and on subnets without room for two hosts."""
    address, slash, length = subnet.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or int(length) > 32:
        raise InvalidInput(f"invalid subnet {subnet}: not an IPv4 subnet", "write one as 10.117.0.0/16")
    parsed = Subnet(number(address), int(length))
    if not 1 <= parsed.prefix <= 29:
        raise InvalidInput(f"invalid subnet {subnet}: its prefix must be from 1 to 29 bits long")
    if parsed.base % parsed.size:
        canonical = Subnet(parsed.base - parsed.base % parsed.size, parsed.prefix)
        raise InvalidInput(f"invalid subnet {subnet}: it should be {canonical}")
    return parsed


def number(address: str) -> int:
    """Parse a dotted IPv4 address. Raises InvalidInput."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
    except OSError:
        raise InvalidInput(f"invalid address {address!r}: not an IPv4 address") from None


def text(address: int) -> str:
    """Write an address in dotted form."""
    return socket.inet_ntoa(address.to_bytes(4, "big"))


def mac(address: int) -> str:
    """Return the hardware address that goes with an address, as Docker derives it.

    One address has one MAC for ever, so that neighbours need not relearn it when another container gets it.
    """
    return "02:42:" + address.to_bytes(4, "big").hex(":")


def parse_mac(text: str) -> str:
    """Return a hardware address in lower case. Raises InvalidInput unless it is one station's."""
    octets = text.replace("-", ":").split(":")
    digits = "0123456789abcdefABCDEF"
    if len(octets) != 6 or not all(len(octet) == 2 and all(c in digits for c in octet) for octet in octets):
        raise InvalidInput(f"invalid MAC address {text!r}", "write one as 02:42:0a:75:00:02")
    found = ":".join(octets).lower()
    if int(octets[0], 16) & 1 or found == "00:00:00:00:00:00":
        raise InvalidInput(f"invalid MAC address {text!r}: it is no single station's")
    return found
