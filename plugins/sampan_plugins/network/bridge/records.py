"""Remember the driver's networks in its root, and settle what users left open."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from sampan.errors import Conflict, Corrupt, InvalidInput
from sampan.model.network import Network
from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.subnet import Subnet

# Where the driver looks for a free subnet: first where neither Docker, Podman, Kubernetes' common add-ons nor
# LXD begin; then, for hosts whose VPN claims all of 10/8, in the other private ranges.
POOL = (
    *(f"10.{n}.0.0/16" for n in range(117, 200)),
    *(f"172.{n}.0.0/16" for n in range(30, 19, -1)),
    *(f"192.168.{n}.0/24" for n in range(249, 199, -1)),
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A network as the driver keeps it.

    ``automatic``: the driver chose the subnet and may choose again. ``asked``: the plugin's options, as text, that
    the default network was made from.
    """

    id: str
    name: str
    bridge: str
    subnet: str
    gateway: str
    mtu: int = 0
    internal: bool = False
    masquerade: bool = True
    automatic: bool = False
    asked: str = ""

    def parsed_subnet(self) -> Subnet:
        """The subnet as numbers."""
        return subnets.parse(self.subnet)

    def parsed_gateway(self) -> int:
        """The gateway as a number."""
        return subnets.number(self.gateway)


def directory(root: str, network: Network) -> str:
    """Return the network's own directory. Raises InvalidInput for an id that is no file name."""
    if not network.id or "/" in network.id or network.id.startswith("."):
        raise InvalidInput(f"invalid network id {network.id!r}")
    return f"{root}/{network.id}"


def load(where: str) -> Record | None:
    """Read the record in a network's directory, None when there is none. Raises Corrupt."""
    try:
        with open(f"{where}/network.json", "rb") as file:
            return msgspec.json.decode(file.read(), type=Record)
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


def gateway_of(subnet: Subnet, wanted: str) -> int:
    """Return the gateway asked for, or the subnet's first host. Raises InvalidInput."""
    if not wanted:
        return subnet.base + 1
    gateway = subnets.number(wanted)
    if gateway not in subnet or gateway in (subnet.base, subnet.broadcast):
        raise InvalidInput(f"invalid gateway {wanted}: it is not a host address of subnet {subnet}")
    return gateway


def choose(wanted: str, taken: list[tuple[Subnet, str]], preferred: str = "") -> Subnet:
    """Return the subnet asked for, or a free one, ``preferred`` first. Raises InvalidInput and Conflict."""
    if wanted:
        subnet = subnets.parse(wanted)
        for other, owner in taken:
            if subnet.overlaps(other):
                raise Conflict(
                    f"subnet {subnet} overlaps {other}, which is {owner}'s" if owner
                    else f"subnet {subnet} overlaps {other}, to which the host has a route",
                    "choose another subnet",
                )
        return subnet
    for candidate in filter(None, (preferred, *POOL)):
        subnet = subnets.parse(candidate)
        if not any(subnet.overlaps(other) for other, _owner in taken):
            return subnet
    raise Conflict("every subnet the driver would choose overlaps a route of the host", "name one that is free")
