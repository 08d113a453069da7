"""Lend addresses: a file per network and boot says which container has which.

Every change happens under the driver's lock and replaces the file whole, so that no process ever sees half of
one and a kill leaves the old or the new. Leases do not outlive a boot, as the containers do not: the file's
name holds the boot's id, and a crash that tears a file ends the boot it belongs to.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

import msgspec

from sampan.addressing.pools import Plan
from sampan.errors import Conflict, Corrupt, InvalidInput, Unavailable
from sampan.model import subnet as subnets


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A container's addresses as numbers; 0: none of that family. Drivers add what they must know of it."""

    address: int = 0
    address6: int = 0

    def of(self, *, ipv6: bool) -> int:
        """Return the address of a family."""
        return self.address6 if ipv6 else self.address


L = TypeVar("L", bound=Lease)


class Leases(msgspec.Struct, Generic[L]):
    """The leases of one network by container id, and the address of each family that was lent last."""

    last: int = 0
    held: dict[str, L] = {}
    last6: int = 0

    def choose(self, plans: Collection[Plan], wanted: Mapping[bool, str]) -> tuple[int, int]:
        """Return a new lease's addresses, IPv4 and IPv6: those wanted, or the next free, wrapping around.

        ``wanted`` has addresses by whether they are of IPv6. Raises Conflict when one is taken, InvalidInput when it is
        no host address of a subnet, Unavailable when none is free.
        """
        chosen = {plan.subnet.ipv6: self._choose(plan, wanted.get(plan.subnet.ipv6, "")) for plan in plans}
        for ipv6, address in wanted.items():
            if address and ipv6 not in chosen:
                raise InvalidInput(_elsewhere(address))
        return chosen.get(False, 0), chosen.get(True, 0)

    def _choose(self, plan: Plan, wanted: str) -> int:
        ipv6 = plan.subnet.ipv6
        used = {lease.of(ipv6=ipv6) for lease in self.held.values()} | plan.reserved | {plan.gateway}
        if wanted:
            return _wanted(wanted, plan, used)
        last = self.last6 if ipv6 else self.last
        for address in plan.subnet.hosts_after(last, plan.part):
            if address not in used:
                if ipv6:
                    self.last6 = address
                else:
                    self.last = address
                return address
        raise Unavailable(
            f"no available IPv{6 if ipv6 else 4} addresses on this network's address pools: {plan.part}",
            "stop or disconnect containers that use it",
        )


def _wanted(wanted: str, plan: Plan, used: Collection[int]) -> int:
    address = subnets.number(wanted)
    if (":" in wanted) != plan.subnet.ipv6 or address not in plan.subnet:
        raise InvalidInput(_elsewhere(wanted))
    if not plan.subnet.host(address):
        raise InvalidInput(f"Invalid address {wanted}: it is not a host address of subnet {plan.subnet}")
    if address in used:
        raise Conflict(f"Address already in use: {wanted}")
    return address


def _elsewhere(address: str) -> str:
    return f"Invalid address {address}: It does not belong to any of this network's subnets"


def load(directory: str, kind: type[Leases[L]]) -> Leases[L]:
    """Read a network's leases. The caller holds the driver's lock. Raises Corrupt."""
    path = _path(directory)
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except FileNotFoundError:
        return kind()
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Corrupt(f"the address leases in {path} cannot be read: {error}",
                      "stop this network's containers and remove the file") from error


def save(directory: str, leases: Leases[L]) -> None:
    """Replace a network's leases. The caller holds the driver's lock."""
    path = _path(directory)
    with open(path + ".new", "wb") as file:
        file.write(msgspec.json.encode(leases))
    os.rename(path + ".new", path)


def sweep(directory: str) -> None:
    """Remove the leases of earlier boots. The caller holds the driver's lock."""
    current = os.path.basename(_path(directory))
    for name in os.listdir(directory):
        if name.startswith("leases-") and name not in (current, current + ".new"):
            os.unlink(f"{directory}/{name}")


def _path(directory: str) -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return f"{directory}/leases-{file.read().strip()}.json"
