"""Choose the subnets of a network: what users ask, checked, and what they left open, filled in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec

from sampan.errors import Conflict, InvalidInput
from sampan.model import subnet as subnets
from sampan.model.network import Network, Pool
from sampan.model.subnet import Subnet

# Where drivers look for a free subnet: first where neither Docker, Podman, Kubernetes' common add-ons nor
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
            raise InvalidInput(f"{network.driver} driver doesn't support multiple subnets")
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
    for what, address in chosen.reserved.items():
        if subnets.number(address) == settled.gateway:
            raise Conflict(f"failed to allocate secondary ip address ({what}:{address}): Address already in use")
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
