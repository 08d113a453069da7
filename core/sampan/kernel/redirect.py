"""Lead what is sent to one port of an address to another, in the caller's network namespace (nftables)."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

from sampan.kernel import nftables
from sampan.kernel.netlink import NETFILTER, Netlink
from sampan.kernel.nftables import Expression, Table


def lead(table: str, address: str, port: int, targets: Mapping[int, int]) -> None:
    """Lead what this namespace sends to a port of an IPv4 address to other ports there, one by protocol.

    ``targets`` has them by ``IPPROTO_UDP`` and ``IPPROTO_TCP``. Answers come from ``port``. The rules are in a table of
    this name, and go with the namespace. Raises OSError where the kernel cannot.
    """
    made = Table(table, nftables.IPV4)
    rules = (made.rule("output", _leading(address, port, *target)) for target in targets.items())
    with Netlink(NETFILTER) as netfilter:
        netfilter.commit(made.make(), made.chain("output", "nat", nftables.OUTPUT, nftables.DSTNAT), *rules)


def _leading(address: str, port: int, protocol: int, target: int) -> Iterator[Expression]:
    yield nftables.payload(nftables.NETWORK, nftables.DESTINATION[nftables.IPV4], 4)
    yield nftables.compare(nftables.EQ, socket.inet_aton(address))
    yield nftables.meta(nftables.L4PROTO)
    yield nftables.compare(nftables.EQ, bytes((protocol,)))
    yield nftables.payload(nftables.TRANSPORT, nftables.DESTINATION_PORT, 2)
    yield nftables.compare(nftables.EQ, port.to_bytes(2, "big"))
    yield nftables.constant(target.to_bytes(2, "big"))
    yield "nat", [(1, nftables.TO_DESTINATION), (2, nftables.IPV4), (5, nftables.DATA)]
