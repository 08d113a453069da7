"""Put together which range, gateway and reserved addresses belong to which subnet, as Docker's client does."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from sampan.errors import InvalidInput
from sampan.model.network import Pool


def pools(
    subnets: Sequence[str], ranges: Sequence[str], gateways: Sequence[str], reserved: Mapping[str, str]
) -> tuple[Pool, ...]:
    """Return the subnets with what is in them. Raises InvalidInput, in Docker's words."""
    if len(subnets) < max(len(ranges), len(gateways)):
        raise InvalidInput("every ip-range or gateway must have a corresponding subnet")
    found: dict[str, Pool] = {}
    for subnet in subnets:
        if any(_in(other, subnet) or _in(subnet, other) for other in found):
            raise InvalidInput("multiple overlapping subnet configuration is not supported")
        found[subnet] = Pool(subnet=subnet)
    for kind, preposition, values in (("range", "on", ranges), ("gateway", "for", gateways)):
        for one in values:
            subnet = _around(found, one, f"no matching subnet for {kind} {one}")
            if former := getattr(found[subnet], kind):
                raise InvalidInput(
                    f"cannot configure multiple {kind}s ({one}, {former}) {preposition} the same subnet ({subnet})"
                )
            found[subnet] = msgspec.structs.replace(found[subnet], **{kind: one})
    for name, one in reserved.items():
        subnet = _around(found, one, f"no matching subnet for aux-address {one}")
        found[subnet] = msgspec.structs.replace(found[subnet], reserved={**found[subnet].reserved, name: one})
    return tuple(found.values())


def _around(subnets: Iterable[str], what: str, otherwise: str) -> str:
    for subnet in subnets:
        if _in(what, subnet):
            return subnet
    raise InvalidInput(otherwise)


def _in(what: str, subnet: str) -> bool:
    """Tell whether the first address of ``what``, an address or a subnet, is in a subnet; what is neither is not."""
    try:
        network = ipaddress.ip_network(subnet, strict=False)
        return ipaddress.ip_interface(what).network.network_address in network
    except ValueError:
        return False
