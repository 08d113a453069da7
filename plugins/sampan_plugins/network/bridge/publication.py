"""Have ports of the host lead to a container: claim them, have its proxy serve them, and tell where rules lead them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sampan.addressing import host
from sampan.addressing.pools import Plan
from sampan.model.network import EndpointRequest, Network
from sampan_plugins.network.bridge import ledger, options
from sampan_plugins.network.bridge.ledger import Proxy, Veth

if TYPE_CHECKING:
    from sampan.addressing.ports import Claim
    from sampan_plugins.network.bridge.publishing import Forward


@contextmanager
def claimed(root: str, network: Network, request: EndpointRequest) -> Iterator[Sequence[Claim]]:
    """Hold the ports of the host that a container asks for. Raises what is in the way, in Docker's words.

    ``root`` has the driver's networks, of whose containers one may have a port already.
    """
    if not request.ports:
        yield ()
        return
    def allocated(protocol: str, port: int) -> bool:
        held = [lease for record in ledger.walk(root) for lease in ledger.lent(f"{root}/{record.id}").held.values()]
        return any((one.protocol, one.first) == (protocol, port) for lease in held for one in lease.ports)

    binding = options.of_network(network.options).binding
    wanted = [msgspec.structs.replace(one, address=one.address or binding) for one in request.ports]
    with host.claimed(request, wanted, allocated) as claims:
        yield claims


def serve(lease: Veth, plans: Sequence[Plan], claims: Sequence[Claim]) -> Proxy:
    """Have a process carry what comes to claimed ports to the container with this lease: by the same family if it can.

    Raises Unavailable when it cannot be started.
    """
    from sampan_plugins.network.bridge import proxies

    own = {plan.subnet.ipv6: plan.subnet.text(lease.of(ipv6=plan.subnet.ipv6)) for plan in plans}
    targets = {ipv6: own.get(ipv6) or own[not ipv6] for ipv6 in (False, True)}
    return proxies.start(lease.host_interface, [(claim, targets[":" in claim.mapping.address]) for claim in claims])


def end(proxy: Proxy) -> None:
    """Have ports not served any more, and free. Possible twice."""
    from sampan_plugins.network.bridge import proxies

    proxies.end(proxy)


def forwards(plans: Sequence[Plan], held: Iterable[Veth]) -> list[Forward]:
    """Return where rules are to lead ports: to addresses of the same family, from those that leave the host."""
    published = [lease for lease in held if lease.ports]
    if not published:
        return []
    from sampan_plugins.network.bridge import publishing

    found = []
    for lease in published:
        for plan in plans:
            ipv6 = plan.subnet.ipv6
            target = plan.subnet.text(lease.of(ipv6=ipv6))
            for one in lease.ports:
                if (":" in one.address) == ipv6 and publishing.reaches(one.address):
                    found.append(publishing.Forward(one.protocol, one.address, one.first, target, one.port))
    return found
