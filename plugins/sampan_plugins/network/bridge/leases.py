"""Lend addresses: a file per network and boot says which container has which.

Every change happens under the driver's lock and replaces the file whole, so that no process ever sees half of
one and a kill leaves the old or the new. Leases do not outlive a boot, as the containers do not: the file's
name holds the boot's id, and a crash that tears a file ends the boot it belongs to.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import msgspec

from sampan.errors import Conflict, Corrupt, InvalidInput, Unavailable
from sampan.model.network import PortMapping
from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.records import Plan


class Proxy(msgspec.Struct, frozen=True):
    """The process that holds a container's ports of the host, by its id and when it began."""

    pid: int
    start: int


class Lease(msgspec.Struct, frozen=True):
    """A container's addresses, as numbers, and the name of its interface on the host; 0: none of that family.

    ``ports`` are the host's for it, which the ``proxy`` holds.
    """

    address: int
    host_interface: str
    address6: int = 0
    ports: tuple[PortMapping, ...] = ()
    proxy: Proxy | None = None

    def of(self, *, ipv6: bool) -> int:
        """Return the address of a family."""
        return self.address6 if ipv6 else self.address


class Leases(msgspec.Struct):
    """The leases of one network by container id, and the address of each family that was lent last."""

    last: int = 0
    held: dict[str, Lease] = {}
    last6: int = 0

    def lend(self, container: str, plans: Collection[Plan], wanted: Mapping[bool, str], interface: str) -> Lease:
        """Lend an address of each plan: one that is wanted, or the next free one above the last lent, wrapping around.

        ``wanted`` has addresses by whether they are of IPv6. Raises Conflict when one is taken, InvalidInput when it is
        no host address of a subnet, Unavailable when none is free.
        """
        chosen = {plan.subnet.ipv6: self._choose(plan, wanted.get(plan.subnet.ipv6, "")) for plan in plans}
        for ipv6, address in wanted.items():
            if address and ipv6 not in chosen:
                raise InvalidInput(_elsewhere(address))
        lease = Lease(chosen.get(False, 0), interface, chosen.get(True, 0))
        self.held[container] = lease
        return lease

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


def load(directory: str) -> Leases:
    """Read a network's leases. The caller holds the driver's lock. Raises Corrupt."""
    path = _path(directory)
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=Leases)
    except FileNotFoundError:
        return Leases()
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Corrupt(f"the address leases in {path} cannot be read: {error}",
                      "stop this network's containers and remove the file") from error


def save(directory: str, leases: Leases) -> None:
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
