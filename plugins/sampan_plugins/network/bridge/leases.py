"""Lend addresses: a file per network and boot says which container has which.

Every change happens under the driver's lock and replaces the file whole, so that no process ever sees half of
one and a kill leaves the old or the new. Leases do not outlive a boot, as the containers do not: the file's
name holds the boot's id, and a crash that tears a file ends the boot it belongs to.
"""

from __future__ import annotations

import os
from collections.abc import Collection

import msgspec

from sampan.errors import Conflict, Corrupt, InvalidInput, Unavailable
from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.subnet import Subnet


class Lease(msgspec.Struct, frozen=True):
    """A container's address, as a number, and the name of its interface on the host."""

    address: int
    host_interface: str


class Leases(msgspec.Struct):
    """The leases of one network by container id, and the address lent last."""

    last: int = 0
    held: dict[str, Lease] = {}

    def lend(self, container: str, subnet: Subnet, gateway: int, wanted: str, interface: str) -> Lease:
        """Lend an address: the one wanted, or the next free one above the last lent, wrapping around.

        Raises Conflict when ``wanted`` is taken, InvalidInput when it is no host address of the subnet,
        Unavailable when none is free.
        """
        used = {lease.address for lease in self.held.values()} | {gateway}
        if wanted:
            address = _wanted(wanted, subnet, used)
        else:
            address = self._next(subnet, used)
            self.last = address
        lease = Lease(address, interface)
        self.held[container] = lease
        return lease

    def _next(self, subnet: Subnet, used: Collection[int]) -> int:
        for address in subnet.hosts_after(self.last if self.last in subnet else subnet.base):
            if address not in used:
                return address
        raise Unavailable(f"no address is left in subnet {subnet}", "remove containers that use it")


def _wanted(wanted: str, subnet: Subnet, used: Collection[int]) -> int:
    address = subnets.number(wanted)
    if address not in subnet or address in (subnet.base, subnet.broadcast):
        raise InvalidInput(f"invalid address {wanted}: it is not a host address of subnet {subnet}")
    if address in used:
        raise Conflict(f"address {wanted} is already in use in subnet {subnet}")
    return address


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
