"""Say what the driver keeps in its files: of a network, and of a container's connection to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sampan.addressing import leases, pools, records
from sampan.addressing.leases import Lease, Leases
from sampan.addressing.pools import Plan
from sampan.model.network import Pool, PortMapping


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A network as the driver keeps it, with one pool of each family that it has, IPv4 first.

    ``icc``: its containers reach each other. ``asked``: the plugin's options, as text, that the default network was
    made from.
    """

    id: str
    name: str
    bridge: str
    pools: tuple[Pool, ...] = ()
    mtu: int = 0
    internal: bool = False
    masquerade: bool = True
    icc: bool = True
    asked: str = ""

    @property
    def ipv6(self) -> bool:
        """Whether it has IPv6 addresses."""
        return any(pool.ipv6 for pool in self.pools)

    def plans(self) -> list[Plan]:
        """Return the pools as numbers."""
        return [pools.plan(pool) for pool in self.pools]


class Proxy(msgspec.Struct, frozen=True):
    """The process that holds a container's ports of the host, by its id and when it began."""

    pid: int
    start: int


class Veth(Lease, frozen=True, kw_only=True):
    """A container's connection: its addresses, and the name of its interface on the host.

    ``ports`` are the host's for it, which the ``proxy`` holds.
    """

    host_interface: str
    ports: tuple[PortMapping, ...] = ()
    proxy: Proxy | None = None


class _Former(msgspec.Struct, frozen=True):
    """What a record had instead of pools before networks had more than one."""

    subnet: str = ""
    gateway: str = ""
    automatic: bool = False


def load(where: str) -> Record | None:
    """Read the record in a network's directory, None when there is none. Raises Corrupt."""
    return _current(where, records.load(where, Record))


def walk(root: str) -> Iterator[Record]:
    """Yield every record."""
    for record in records.walk(root, Record):
        found = _current(f"{root}/{record.id}", record)
        if found:
            yield found


def lent(where: str) -> Leases[Veth]:
    """Read the leases in a network's directory. The caller holds the driver's lock. Raises Corrupt."""
    return leases.load(where, Leases[Veth])


def _current(where: str, record: Record | None) -> Record | None:
    if record is None or record.pools:
        return record
    former = records.load(where, _Former)
    if former is None:
        return None
    pool = Pool(subnet=former.subnet, gateway=former.gateway, automatic=former.automatic)
    return msgspec.structs.replace(record, pools=(pool,))
