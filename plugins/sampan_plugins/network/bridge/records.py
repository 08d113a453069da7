"""Remember the driver's networks in its root, and settle what users left open."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec

from sampan.errors import Conflict, Corrupt, InvalidInput
from sampan.model.network import Network, Pool
from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.subnet import Subnet

# Where the driver looks for a free subnet: first where neither Docker, Podman, Kubernetes' common add-ons nor
# LXD begin; then, for hosts whose VPN claims all of 10/8, in the other private ranges.
POOL = (
    *(f"10.{n}.0.0/16" for n in range(117, 200)),
    *(f"172.{n}.0.0/16" for n in range(30, 19, -1)),
    *(f"192.168.{n}.0/24" for n in range(249, 199, -1)),
)

Taken = list[tuple[Subnet, str]]
"""Subnets that cannot be had, and whose they are, empty where that is nobody's in particular."""


class Plan(msgspec.Struct, frozen=True):
    """A pool as numbers: addresses are given from ``part`` of the subnet, and never those that are ``reserved``."""

    subnet: Subnet
    gateway: int
    part: Subnet
    reserved: frozenset[int] = frozenset()


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
        return [plan(pool) for pool in self.pools]


class _Former(msgspec.Struct, frozen=True):
    """What a record had instead of pools before networks had more than one."""

    subnet: str = ""
    gateway: str = ""
    automatic: bool = False


def directory(root: str, network: Network) -> str:
    """Return the network's own directory. Raises InvalidInput for an id that is no file name."""
    if not network.id or "/" in network.id or network.id.startswith("."):
        raise InvalidInput(f"invalid network id {network.id!r}")
    return f"{root}/{network.id}"


def load(where: str) -> Record | None:
    """Read the record in a network's directory, None when there is none. Raises Corrupt."""
    try:
        with open(f"{where}/network.json", "rb") as file:
            content = file.read()
        record = msgspec.json.decode(content, type=Record)
        if not record.pools:
            former = msgspec.json.decode(content, type=_Former)
            pool = Pool(subnet=former.subnet, gateway=former.gateway, automatic=former.automatic)
            record = msgspec.structs.replace(record, pools=(pool,))
        return record
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Corrupt(f"{where}/network.json cannot be read: {error}", "remove the file") from error


def save(where: str, record: Record) -> None:
    """Keep a record, over a power cut too. The caller holds the driver's lock."""
    os.makedirs(where, mode=0o700, exist_ok=True)
    temporary = f"{where}/network.json.new"
    with open(temporary, "wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, f"{where}/network.json")


def walk(root: str) -> Iterator[Record]:
    """Yield every record."""
    for name in sorted(os.listdir(root)):
        record = load(f"{root}/{name}")
        if record:
            yield record


def wanted(network: Network) -> dict[bool, Pool]:
    """Return what a user wants of each family the network has, by whether that is IPv6. Raises InvalidInput."""
    found = {ipv6: Pool() for ipv6, has in ((False, network.ipv4), (True, network.ipv6)) if has}
    for pool in network.pools:
        if pool.ipv6 not in found:
            raise InvalidInput(
                f"network {network.name} has no IPv{6 if pool.ipv6 else 4}, of which {pool.subnet or 'a subnet'} is",
                f"--ipv{6 if pool.ipv6 else 4} gives it that",
            )
        if found[pool.ipv6] != Pool():
            raise InvalidInput("bridge driver doesn't support multiple subnets")
        if not pool.subnet and pool != Pool():
            raise InvalidInput("every ip-range or gateway must have a corresponding subnet")
        found[pool.ipv6] = pool
    return found


def plan(pool: Pool) -> Plan:
    """Return a pool as numbers, with the subnet's first host as its gateway if it has none. Raises InvalidInput."""
    subnet = subnets.parse(pool.subnet)
    gateway = _host(pool.gateway, subnet, "gateway") if pool.gateway else subnet.base + 1
    part = subnets.parse_part(pool.range, subnet) if pool.range else subnet
    reserved = frozenset(_host(address, subnet, "aux-address") for address in pool.reserved.values())
    return Plan(subnet, gateway, part, reserved)


def _host(text: str, subnet: Subnet, what: str) -> int:
    address = subnets.number(text)
    if (":" in text) != subnet.ipv6 or not subnet.host(address):
        raise InvalidInput(f"invalid {what} {text}: it is not a host address of subnet {subnet}")
    return address


def settle(pool: Pool, candidates: Iterable[str], taken: Taken) -> Pool:
    """Return a pool with all that was left open in it. Raises InvalidInput and Conflict.

    ``candidates`` are the subnets to choose from where none is asked for: by the user, or by an earlier choice of ours.
    """
    if pool.subnet and not pool.automatic:
        chosen = pool
        _refuse(subnets.parse(pool.subnet), taken)
    else:
        subnet = _first_free(candidates, taken)
        chosen = pool if str(subnet) == pool.subnet else Pool(subnet=str(subnet), automatic=True)
    settled = plan(chosen)
    return msgspec.structs.replace(chosen, gateway=settled.subnet.text(settled.gateway))


def candidates(pool: Pool, *, ipv6: bool) -> Iterator[str]:
    """Yield subnets to choose from, the one of the pool first; of IPv6 random local ones (RFC 4193, section 3)."""
    if pool.subnet:
        yield pool.subnet
    if not ipv6:
        yield from POOL
        return
    for _attempt in range(8):
        yield str(Subnet(int.from_bytes(b"\xfd" + os.urandom(7) + bytes(8), "big"), 64, True))


def _refuse(subnet: Subnet, taken: Taken) -> None:
    for other, owner in taken:
        if subnet.overlaps(other):
            whose = f"{other}, which is {owner}'s" if owner else f"{other}, to which the host has a route"
            raise Conflict(
                f"Pool overlaps with other one on this address space: {subnet} overlaps {whose}",
                "choose another subnet",
            )


def _first_free(candidates: Iterable[str], taken: Taken) -> Subnet:
    for candidate in candidates:
        subnet = subnets.parse(candidate)
        if not any(subnet.overlaps(other) for other, _owner in taken):
            return subnet
    raise Conflict(
        "could not find an available, non-overlapping address pool among the defaults to assign to the network",
        "name a subnet that is free",
    )
