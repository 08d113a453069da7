"""Calculate with subnets of either family as plain numbers.

The standard ipaddress module would do, for 4 ms of import on the way to every container.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import msgspec

from sampan.errors import InvalidInput

_BITS = {False: 32, True: 128}
_LONGEST = {False: 29, True: 125}


class Subnet(msgspec.Struct, frozen=True):
    """A subnet: its first address as a number, its prefix length in bits, and its family."""

    base: int
    prefix: int
    ipv6: bool = False

    @property
    def size(self) -> int:
        """How many addresses it spans, network and broadcast included."""
        return 1 << (_BITS[self.ipv6] - self.prefix)

    @property
    def last(self) -> int:
        """Its last address, which is the broadcast address where the family has such."""
        return self.base + self.size - 1

    @property
    def mask(self) -> bytes:
        """Its network mask."""
        bits = _BITS[self.ipv6]
        return ((1 << bits) - (1 << (bits - self.prefix))).to_bytes(bits // 8, "big")

    def __contains__(self, address: int) -> bool:
        return self.base <= address <= self.last

    def overlaps(self, other: Subnet) -> bool:
        """Tell whether any address is in both."""
        return self.ipv6 == other.ipv6 and self.base <= other.last and other.base <= self.last

    def host(self, address: int) -> bool:
        """Tell whether an address is one for a host: in the subnet, and neither its first nor its last."""
        return self.base < address < self.last

    def hosts_after(self, address: int, part: Subnet) -> Iterator[int]:
        """Yield every host address in ``part`` of it once, rising from the one after ``address``, wrapping around.

        From an address that is elsewhere it begins with the first.
        """
        first = max(part.base, self.base + 1)
        count = min(part.last, self.last - 1) - first + 1
        before = address if address in part else first - 1
        for step in range(1, count + 1):
            yield first + (before - first + step) % count

    def text(self, address: int) -> str:
        """Write one of its addresses."""
        return text(address, self.ipv6)

    def __str__(self) -> str:
        return f"{self.text(self.base)}/{self.prefix}"


_MULTICAST = (Subnet(0xE0000000, 3), Subnet(0xFF << 120, 8, True))  # and what IPv4 reserves above it


def parse(subnet: str) -> Subnet:
    """Parse CIDR notation. Raises InvalidInput, also on host bits and on subnets without room for a few hosts."""
    parsed = _parse(subnet, "subnet")
    longest = _LONGEST[parsed.ipv6]
    if not 1 <= parsed.prefix <= longest:
        raise InvalidInput(f"invalid subnet {subnet}: its prefix must be from 1 to {longest} bits long")
    if any(parsed.ipv6 == group.ipv6 and parsed.base in group for group in _MULTICAST):
        raise InvalidInput(f"invalid subnet {subnet}: multicast addresses are no single station's")
    return parsed


def parse_part(text: str, subnet: Subnet) -> Subnet:
    """Parse the part of a subnet that addresses are given from. Raises InvalidInput, also where it is none."""
    part = _parse(text, "ip-range")
    if part.ipv6 != subnet.ipv6 or part.prefix < subnet.prefix or part.base not in subnet:
        raise InvalidInput(f"invalid ip-range {text}: it is no part of subnet {subnet}")
    return part


def _parse(text: str, what: str) -> Subnet:
    address, slash, length = text.partition("/")
    ipv6 = ":" in address
    if not slash or not length.isascii() or not length.isdigit() or int(length) > _BITS[ipv6]:
        raise InvalidInput(f"invalid {what} {text}: invalid CIDR address", "write one as 10.117.0.0/16 or fd00::/64")
    parsed = Subnet(number(address), int(length), ipv6)
    if parsed.base % parsed.size:
        canonical = Subnet(parsed.base - parsed.base % parsed.size, parsed.prefix, ipv6)
        raise InvalidInput(f"invalid {what} {text}: it should be {canonical}")
    return parsed


def number(address: str) -> int:
    """Parse an address of either family. Raises InvalidInput."""
    try:
        return int.from_bytes(socket.inet_pton(family(":" in address), address), "big")
    except (OSError, ValueError):
        raise InvalidInput(f"invalid address {address!r}: not an IP address") from None


def text(address: int, ipv6: bool = False) -> str:
    """Write an address in its usual form."""
    return socket.inet_ntop(family(ipv6), packed(address, ipv6))


def packed(address: int, ipv6: bool) -> bytes:
    """Return an address as it is in packets."""
    return address.to_bytes(_BITS[ipv6] // 8, "big")


def family(ipv6: bool) -> socket.AddressFamily:
    """Return the number of a family."""
    return socket.AF_INET6 if ipv6 else socket.AF_INET


def mac(address: int) -> str:
    """Return the hardware address that goes with an address, as Docker derives it.

    One address has one MAC for ever, so that neighbours need not relearn it when another container gets it.
    """
    return "02:42:" + (address & 0xFFFFFFFF).to_bytes(4, "big").hex(":")


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
